//! A manifest with hook annotations to when it runs, after which others, and when it is deleted: as Helm v3 decides.

use masthead_sprig::golang::number;

use crate::manifest::Manifest;

/// The annotation that makes a manifest a hook.
pub const HOOK: &str = "helm.sh/hook";

/// A moment of a release at which hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// After rendering, before anything is made.
    PreInstall,
    /// After all was made.
    PostInstall,
    /// Before anything is deleted.
    PreDelete,
    /// After all was deleted.
    PostDelete,
    /// After rendering, before anything is changed.
    PreUpgrade,
    /// After all was changed.
    PostUpgrade,
    /// Before anything goes back to an earlier revision.
    PreRollback,
    /// After all went back.
    PostRollback,
    /// When tests are asked for.
    Test,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 9] = [
        Event::PreInstall,
        Event::PostInstall,
        Event::PreDelete,
        Event::PostDelete,
        Event::PreUpgrade,
        Event::PostUpgrade,
        Event::PreRollback,
        Event::PostRollback,
        Event::Test,
    ];

    /// Its name in the annotation.
    pub fn name(self) -> &'static str {
        match self {
            Event::PreInstall => "pre-install",
            Event::PostInstall => "post-install",
            Event::PreDelete => "pre-delete",
            Event::PostDelete => "post-delete",
            Event::PreUpgrade => "pre-upgrade",
            Event::PostUpgrade => "post-upgrade",
            Event::PreRollback => "pre-rollback",
            Event::PostRollback => "post-rollback",
            Event::Test => "test",
        }
    }

    /// The event of a name, in lower case; `test-success` is Helm 2's name of `test`.
    pub fn parse(name: &str) -> Option<Event> {
        let name = if name == "test-success" { "test" } else { name };
        Event::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// When a hook's objects are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeletePolicy {
    /// What an earlier run left is deleted before the hook runs again. Helm's default where no policy is given.
    BeforeCreation,
    /// After all hooks of the event succeeded, or a later one failed.
    Succeeded,
    /// After it failed.
    Failed,
}

impl DeletePolicy {
    /// Its name in the annotation.
    pub fn name(self) -> &'static str {
        match self {
            DeletePolicy::BeforeCreation => "before-hook-creation",
            DeletePolicy::Succeeded => "hook-succeeded",
            DeletePolicy::Failed => "hook-failed",
        }
    }
}

/// When the output of a hook's containers is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogPolicy {
    /// After it succeeded.
    Succeeded,
    /// After it failed.
    Failed,
}

impl LogPolicy {
    /// Its name in the annotation.
    pub fn name(self) -> &'static str {
        match self {
            LogPolicy::Succeeded => "hook-succeeded",
            LogPolicy::Failed => "hook-failed",
        }
    }
}

/// A manifest that runs at a time of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The manifest: text, kind, name, annotations, the template it comes from.
    pub manifest: Manifest,
    /// When it runs.
    pub events: Vec<Event>,
    /// Its place among the hooks of an event, the lowest first.
    pub weight: i64,
    /// The annotation's delete policies in lower case, those that Helm does not know too; see [`Hook::deletes`].
    pub delete_policies: Vec<String>,
    /// The annotation's output policies in lower case; see [`Hook::logs`].
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// The hook that a manifest is, by its annotations; none where one of its events is not known.
    pub fn of(manifest: Manifest, events: &str) -> Option<Hook> {
        let events: Option<Vec<Event>> = list(events).map(|name| Event::parse(&name)).collect();
        let events = events?;
        let weight = manifest.head.annotation("helm.sh/hook-weight").unwrap_or_default();
        let weight = number::parse_int(weight.as_bytes(), 10).unwrap_or(0);
        let all = |name: &str| manifest.head.annotation(name).map_or_else(Vec::new, |value| list(value).collect());
        let delete_policies = all("helm.sh/hook-delete-policy");
        let output_log_policies = all("helm.sh/hook-output-log-policy");
        Some(Hook { manifest, events, weight, delete_policies, output_log_policies })
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.manifest.head.name
    }

    /// The object's kind.
    pub fn kind(&self) -> &str {
        &self.manifest.head.kind
    }

    /// The template it comes from: `chart/templates/x.yaml`.
    pub fn path(&self) -> &str {
        &self.manifest.path
    }

    /// Is it a test?
    pub fn is_test(&self) -> bool {
        self.events.contains(&Event::Test)
    }

    /// Whether its objects are deleted then. Definitions of resources never are: all objects of their kinds would go.
    pub fn deletes(&self, when: DeletePolicy) -> bool {
        if self.kind() == "CustomResourceDefinition" {
            return false;
        }
        match self.delete_policies.as_slice() {
            [] => when == DeletePolicy::BeforeCreation,
            given => given.iter().any(|policy| policy == when.name()),
        }
    }

    /// Whether the output of its containers is shown then. Only Jobs and Pods have any.
    pub fn logs(&self, when: LogPolicy) -> bool {
        matches!(self.kind(), "Job" | "Pod") && self.output_log_policies.iter().any(|policy| policy == when.name())
    }
}

fn list(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(|entry| entry.trim().to_lowercase())
}

/// The hooks of an event in the order in which Helm runs them: by weight, then by name, and where both are the same in
/// the order in which they come, which is by kind. A hook that names an event twice runs once here.
pub fn in_order(hooks: &[Hook], event: Event) -> Vec<&Hook> {
    let mut chosen: Vec<&Hook> = hooks.iter().filter(|hook| hook.events.contains(&event)).collect();
    chosen.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.name().cmp(b.name())));
    chosen
}

#[cfg(test)]
mod tests {
    use super::{DeletePolicy, Event, Hook, LogPolicy, in_order};
    use crate::manifests::sort;

    fn hooks(texts: &[&str]) -> Vec<Hook> {
        let files = texts.iter().map(|text| ("c/templates/t.yaml", text.as_bytes()));
        sort(files, &mut Vec::new()).expect("the texts are well-formed").hooks
    }

    fn text(kind: &str, name: &str, annotations: &[(&str, &str)]) -> String {
        let all = annotations.iter().map(|(key, value)| format!("    helm.sh/{key}: {value:?}\n")).collect::<String>();
        format!("kind: {kind}\nmetadata:\n  name: {name}\n  annotations:\n{all}")
    }

    #[test]
    fn they_run_by_weight_then_name_then_kind() {
        let hook = ("hook", "pre-install,pre-install");
        let texts = [
            text("Job", "b", &[hook]),
            text("Job", "same", &[hook, ("hook-weight", "-1")]),
            text("Secret", "same", &[hook, ("hook-weight", "-1")]),
            text("Job", "a", &[hook, ("hook-weight", "x")]),
            text("ConfigMap", "late", &[("hook", "pre-install"), ("hook-weight", "10")]),
            text("Pod", "t", &[("hook", "test-success")]),
        ];
        let hooks = hooks(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let order = |event| -> Vec<(&str, &str)> {
            in_order(&hooks, event).into_iter().map(|hook| (hook.kind(), hook.name())).collect()
        };
        assert_eq!(
            order(Event::PreInstall),
            [("Secret", "same"), ("Job", "same"), ("Job", "a"), ("Job", "b"), ("ConfigMap", "late")]
        );
        assert_eq!(order(Event::Test), [("Pod", "t")]);
        assert_eq!(order(Event::PostInstall), []);
        assert!(Event::ALL.into_iter().all(|event| Event::parse(event.name()) == Some(event)));
    }

    #[test]
    fn policies_have_helms_default_and_exception() {
        let check = |kind: &str, annotations: &[(&str, &str)], deletes: [bool; 3], logs: [bool; 2]| {
            let mut all = vec![("hook", "post-upgrade")];
            all.extend(annotations);
            let hooks = hooks(&[&text(kind, "x", &all)]);
            let policies = [DeletePolicy::BeforeCreation, DeletePolicy::Succeeded, DeletePolicy::Failed];
            assert_eq!(policies.map(|policy| hooks[0].deletes(policy)), deletes, "{kind} {annotations:?}");
            assert_eq!([LogPolicy::Succeeded, LogPolicy::Failed].map(|policy| hooks[0].logs(policy)), logs);
        };
        check("Job", &[], [true, false, false], [false, false]);
        check("Job", &[("hook-delete-policy", "Hook-Succeeded, hook-failed")], [false, true, true], [false, false]);
        check("Job", &[("hook-delete-policy", "nonsense")], [false; 3], [false, false]);
        check("CustomResourceDefinition", &[], [false; 3], [false, false]);
        check("Pod", &[("hook-output-log-policy", "hook-failed")], [true, false, false], [false, true]);
        check("ConfigMap", &[("hook-output-log-policy", "hook-failed")], [true, false, false], [false, false]);
    }
}
