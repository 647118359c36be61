//! What a container prints, as it ends up in its log.

use masthead_agent::runtime::contract::Runtime;

use super::bed::{bed, bed_with, script, until};

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_and_partial_lines() {
    let Some(bed) = bed().await else { return };
    let (_, text) = bed.run(script("c", "echo out; echo err >&2; printf tail")).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out", "tail"]);
    let log = bed.log("p", "c");
    let tags: Vec<Vec<&str>> = log.lines().map(|line| line.splitn(4, ' ').collect()).collect();
    let tag_of = |text: &str| {
        let line = tags.iter().find(|line| line[3] == text).unwrap();
        (line[1].to_owned(), line[2].to_owned())
    };
    assert_eq!(tag_of("out"), ("stdout".into(), "F".into()));
    assert_eq!(tag_of("err"), ("stderr".into(), "F".into()));
    assert_eq!(tag_of("tail"), ("stdout".into(), "P".into()));
    assert!(tags.iter().all(|line| line[0].len() == 30 && line[0].ends_with('Z')), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_complete_and_rotated() {
    let rotate = |options: &mut masthead_agent::runtime::embedded::options::Options| {
        options.log_max_bytes = 200_000;
        options.log_max_files = 20;
    };
    let Some(bed) = bed_with(rotate).await else { return };
    bed.run(script("c", "seq 1 30000")).await;
    let dir = bed.log_dir.join("p/c");
    let mut all = String::new();
    for index in (1..20).rev() {
        all += &std::fs::read_to_string(dir.join(format!("0.log.{index}"))).unwrap_or_default();
    }
    assert!(!all.is_empty(), "nothing was rotated");
    all += &bed.log("p", "c");
    let numbers: Vec<u32> = all.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=30000).collect::<Vec<_>>());
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let size = entry.metadata().unwrap().len();
        assert!(size <= 200_000, "{:?} has {size}", entry.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_log_is_opened_anew() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let text = "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; sleep 1000";
    let id = bed.start(&pod, script("c", text)).await;
    until("the first line", || bed.text("p", "c") == "one\n").await;
    let path = bed.log_dir.join("p/c/0.log");
    std::fs::rename(&path, path.with_extension("old")).unwrap();
    bed.runtime.reopen_container_log(&id).await.unwrap();
    assert!(path.exists(), "the call came back before the file was there");
    bed.runtime.exec_sync(&id, vec!["touch".into(), "/tmp/go".into()], None).await.unwrap();
    until("the second line", || bed.text("p", "c") == "two\n").await;
}
