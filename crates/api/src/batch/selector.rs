//! A job with its uid → the selector and the labels by which its pods are its own.
//!
//! They hold the job's uid, so they are made after admission, when the job is given one.

use crate::batch::job::Job;
use crate::meta::selector::LabelSelector;

/// The label that holds a job's uid.
pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// The label that holds a job's name.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// The label of the uid before labels of Kubernetes had a prefix; still set.
pub const OLD_CONTROLLER_UID: &str = "controller-uid";
/// The label of the name before labels of Kubernetes had a prefix; still set.
pub const OLD_JOB_NAME: &str = "job-name";

/// Fills in the selector and the labels of the pods.
///
/// A job with `manualSelector` keeps its selector. Labels that are there already are kept: validation judges them.
pub fn generate(job: &mut Job) {
    let spec = &mut job.spec;
    if spec.manual_selector != Some(true) {
        let (name, uid) = (&job.metadata.name, &job.metadata.uid);
        let labels = &mut spec.template.metadata.labels;
        for (key, value) in [(OLD_JOB_NAME, name), (JOB_NAME, name), (OLD_CONTROLLER_UID, uid), (CONTROLLER_UID, uid)] {
            labels.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
        let selector = spec.selector.get_or_insert_with(LabelSelector::default);
        selector.match_labels.entry(CONTROLLER_UID.to_owned()).or_insert_with(|| uid.clone());
    }
}

/// A job without labels has those of its pods, once these are known.
pub fn label(job: &mut Job) {
    if job.metadata.labels.is_empty() && job.spec.selector.is_some() {
        job.metadata.labels.clone_from(&job.spec.template.metadata.labels);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::admit;

    #[test]
    fn the_selector_comes_with_the_uid_and_stays() {
        let manifest = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never",
                "containers": [{"name": "c", "image": "c:1"}]}}}});
        let mut job = admit::create(manifest, "default").unwrap();
        assert!(job["spec"].get("selector").is_none() && job["metadata"].get("labels").is_none(), "{job}");
        job["metadata"]["uid"] = "u1".into();
        let job = admit::settle(job).unwrap();
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}}));
        let labels = json!({"a": "b", "batch.kubernetes.io/controller-uid": "u1", "controller-uid": "u1",
            "batch.kubernetes.io/job-name": "j", "job-name": "j"});
        assert_eq!((&job["metadata"]["labels"], &job["spec"]["template"]["metadata"]["labels"]), (&labels, &labels));
        assert_eq!(admit::settle(job.clone()).as_ref(), Ok(&job), "once is enough");
        assert_eq!(admit::update(&job, job.clone()).as_ref(), Ok(&job));
    }

    #[test]
    fn messages_do_not_show_a_uid_that_is_not_given_yet() {
        let manifest = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}});
        let problems = admit::create(manifest, "default").unwrap_err();
        let texts: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        assert_eq!(
            texts,
            [
                "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"batch.kubernetes.io/controller-uid\":\
                 \"<UID>\"}}: `selector` not auto-generated",
                "spec.template.metadata.labels: Invalid value: {\"batch.kubernetes.io/controller-uid\":\"<UID>\",\
                 \"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":\"<UID>\",\"job-name\":\"j\"}: `selector` \
                 does not match template `labels`",
            ]
        );
    }
}
