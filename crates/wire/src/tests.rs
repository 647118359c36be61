//! Whole messages: what goes in comes out, sizes are bounded, nothing secret is printed.

use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{self, MAX_MANIFEST_ITEMS, MAX_MESSAGE_BYTES, MAX_OBJECT_BYTES, PART_BYTES, PART_ITEMS};
use crate::manifest::{Generation, Holding, Manifest, NodeContent, NodeManifest, NodeSetup};
use crate::object::{Attachment, AttachmentKey, PodEntry};
use crate::parts::{Assembly, Error, Part, split};
use crate::pb;
use crate::report::{Applied, Heartbeat, Hello, NodeAddress, NodeFacts, PodGone, PodStatus, Problem, Problems};
use crate::stream::{Exit, PodRef, Size, StreamKind, StreamRequest};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn text(&mut self) -> String {
        let letters = ['a', 'ö', '/', '.', '0', '\n', '"', '日'];
        let len = self.below(9);
        (0..len).map(|_| letters[self.below(8) as usize]).collect()
    }

    fn name(&mut self) -> String {
        format!("n{}", self.next())
    }

    fn map(&mut self) -> BTreeMap<String, String> {
        (0..self.below(4)).map(|_| (self.text(), self.text())).collect()
    }

    fn bytes(&mut self) -> Bytes {
        self.text().into()
    }

    fn generation(&mut self) -> Generation {
        let (term, counter) = (self.below(9), self.below(9));
        Generation { term, counter }
    }

    fn pod(&mut self, padding: usize) -> Arc<PodEntry> {
        let (uid, pad) = (self.name(), "x".repeat(padding));
        let json = format!(
            r#"{{"metadata":{{"uid":"{uid}","namespace":"n","name":"{uid}","resourceVersion":"7"}},"spec":"{pad}"}}"#
        );
        Arc::new(PodEntry::parse(json.into()).unwrap())
    }

    fn attachment(&mut self, padding: usize) -> Arc<Attachment> {
        let (name, pad) = (self.name(), "x".repeat(padding));
        let json = format!(r#"{{"metadata":{{"namespace":"n","name":"{name}"}},"data":"{pad}"}}"#);
        Arc::new(Attachment::parse("Secret", json.into()).unwrap())
    }

    fn step(&mut self, entries: u64, padding: u64) -> Manifest {
        let mut count = || self.below(entries + 1);
        let (a, b, c, d) = (count(), count(), count(), count());
        Manifest {
            base: (self.below(2) == 0).then(|| self.generation()),
            generation: self.generation(),
            setup: NodeSetup { pod_cidrs: vec![self.text()], facts: self.map() },
            pods: (0..a)
                .map(|_| {
                    let p = self.below(padding) as usize;
                    self.pod(p)
                })
                .collect(),
            removed_pods: (0..b).map(|_| self.name().into()).collect(),
            attachments: (0..c)
                .map(|_| {
                    let p = self.below(padding) as usize;
                    self.attachment(p)
                })
                .collect(),
            removed_attachments: (0..d)
                .map(|_| AttachmentKey { kind: "ConfigMap".into(), namespace: self.name(), name: self.name() })
                .collect(),
        }
    }
}

/// Through bytes, as the network does it.
fn travel<T: Message + Default>(message: &T) -> T {
    T::decode(&message.encode_to_vec()[..]).unwrap()
}

#[test]
fn steps_survive_being_cut_and_every_message_is_bounded() {
    let mut random = Random(1);
    for round in 0..300 {
        let (entries, padding) = match round % 30 {
            0 => (1500, 20),
            1 => (30, 300_000),
            _ => (6, 300),
        };
        let step = random.step(entries, padding);
        let total = step.pods.len() + step.removed_pods.len() + step.attachments.len() + step.removed_attachments.len();
        let parts: Vec<_> = split(&step).collect();
        assert!(parts.len() <= 1 + total / PART_ITEMS + total * 300_000 / PART_BYTES);
        let mut assembly = Assembly::new(step.base, step.generation);
        for (index, part) in parts.iter().enumerate() {
            assert!(part.encoded_len() < PART_BYTES + 400_000, "{}", part.encoded_len());
            let part = Part::try_from(travel(part)).unwrap();
            assert_eq!(part.index as usize, index);
            let last = index + 1 == parts.len();
            assert_eq!(assembly.add(part.clone()), Ok(last));
            assert_eq!(assembly.add(part), Ok(false), "doubled");
        }
        assert_eq!(assembly.into_step(), step);
    }
    // The largest message there can be: a nearly full one, and then the largest object.
    const { assert!(PART_BYTES + MAX_OBJECT_BYTES + (1 << 20) < MAX_MESSAGE_BYTES) };
}

#[test]
fn a_lost_part_and_too_many_entries_are_told() {
    let mut random = Random(2);
    let step = loop {
        let step = random.step(1500, 20);
        if split(&step).count() > 2 {
            break step;
        }
    };
    let third = split(&step).nth(2).map(|p| Part::try_from(p).unwrap()).unwrap();
    let mut assembly = Assembly::new(step.base, step.generation);
    assert!(matches!(assembly.add(third), Err(Error::Gap { expected: 0, got: 2, .. })));
    let piece = Manifest { removed_pods: vec!["u".into(); MAX_MANIFEST_ITEMS], ..Manifest::default() };
    let part = |index| Part { index, last: false, piece: piece.clone() };
    let mut assembly = Assembly::new(None, Generation::default());
    assert_eq!(assembly.add(part(0)), Ok(false));
    assert!(matches!(assembly.add(part(1)), Err(Error::TooLarge(_))));
}

#[test]
fn messages_survive_the_wire() {
    let mut random = Random(3);
    for _ in 0..500 {
        let r = &mut random;
        let mut content = NodeContent::default();
        (0..r.below(4)).for_each(|_| content.insert_pod(r.pod(3)));
        (0..r.below(4)).for_each(|_| content.insert_attachment(r.attachment(3)));
        let hello = Hello {
            protocol: r.below(9) as u32,
            instance: r.text(),
            facts: NodeFacts {
                labels: r.map(),
                capacity: r.map(),
                allocatable: r.map(),
                addresses: vec![NodeAddress { kind: r.text(), address: r.text() }],
                node_info: r.map(),
                taints: vec![r.text()],
            },
            held: (r.below(2) == 0).then(|| r.generation()),
            holding: Holding::from(&content),
        };
        let there = travel(&pb::Hello::from(hello.clone()));
        assert_eq!(Hello::try_from(there).unwrap(), hello);
        let status = PodStatus {
            uid: r.name().into(),
            namespace: r.text(),
            name: r.text(),
            status: r.bytes(),
            observed: r.generation(),
            sequence: r.next(),
        };
        let there = travel(&pb::PodStatus::from(status.clone()));
        assert_eq!(PodStatus::try_from(there).unwrap(), status);
        let gone = PodGone { uid: r.name().into(), namespace: r.text(), name: r.text() };
        let there = travel(&pb::PodGone::from(gone.clone()));
        assert_eq!(PodGone::try_from(there).unwrap(), gone);
        let held = (r.below(2) == 0).then(|| r.generation());
        let beat = Heartbeat { held, conditions: r.bytes() };
        assert_eq!(Heartbeat::from(travel(&pb::Heartbeat::from(beat.clone()))), beat);
        let applied = Applied { generation: r.generation(), why: r.text() };
        assert_eq!(Applied::try_from(travel(&pb::Applied::from(applied.clone()))).unwrap(), applied);
        let mut problem = || Problem {
            kind: r.text(),
            namespace: r.text(),
            name: r.text(),
            reason: r.text(),
            message: r.text(),
            component: r.text(),
        };
        let problems = Problems { left_out: 3, ..Problems::new([problem(), problem()]) };
        assert_eq!(Problems::from(travel(&pb::Problems::from(problems.clone()))), problems);
        let exit = match r.below(2) {
            0 => Exit::Code(r.next() as i32),
            _ => Exit::Failed { reason: r.name(), message: r.text() },
        };
        assert_eq!(Exit::from(travel(&pb::Exit::from(exit.clone()))), exit);
        let size = Size { width: r.next() as u16, height: r.next() as u16 };
        assert_eq!(Size::try_from(travel(&pb::Resize::from(size))).unwrap(), size);
        let kind = match r.below(4) {
            0 => StreamKind::Logs(pb::Logs { container: r.text(), tail_lines: Some(5), ..Default::default() }),
            1 => StreamKind::Exec(pb::Exec { command: vec![r.text(), r.text()], tty: true, ..Default::default() }),
            2 => StreamKind::Attach(pb::Attach { container: r.text(), ..Default::default() }),
            _ => StreamKind::PortForward { port: r.next() as u16 },
        };
        let pod = PodRef { namespace: r.text(), name: r.text(), uid: r.text() };
        let request = StreamRequest { pod, kind };
        let there = travel(&request.clone().into_open(r.name()));
        assert_eq!(StreamRequest::try_from(there).unwrap(), request);
    }
}

#[test]
fn problems_are_sorted_and_bounded() {
    let problem = |name: usize, message: &str| Problem {
        name: format!("{name:03}"),
        message: message.to_owned(),
        ..Problem::default()
    };
    let long = "ä".repeat(2000);
    let mut all: Vec<Problem> = (0..120).rev().map(|n| problem(n, &long)).collect();
    all.push(problem(7, &long));
    let told = Problems::new(all.clone());
    assert_eq!((told.problems.len(), told.left_out), (limits::MAX_PROBLEMS, 20));
    assert_eq!(told.problems[7].name, "007");
    assert!(told.problems.iter().all(|p| p.message.len() <= limits::MAX_PROBLEM_BYTES && !p.message.is_empty()));
    let raw = pb::Problems { problems: vec![pb::Problem::default(); 3], left_out: 4 };
    assert_eq!(Problems::from(raw).left_out, 4, "what others sent is made the same, and counted");
}

#[test]
fn messages_that_are_not_ours_are_refused() {
    assert!(Hello::try_from(pb::Hello::default()).is_err(), "no facts");
    let pods = vec![pb::HeldPod { uid: "u".into(), digest: Bytes::from_static(b"short") }];
    let facts = Some(pb::NodeFacts::default());
    assert!(Hello::try_from(pb::Hello { facts, pods, ..Default::default() }).is_err());
    assert!(PodStatus::try_from(pb::PodStatus::default()).is_err(), "no uid");
    assert!(PodGone::try_from(pb::PodGone::default()).is_err(), "no uid");
    assert!(Applied::try_from(pb::Applied::default()).is_err(), "no generation");
    assert!(Part::try_from(pb::ManifestPart::default()).is_err(), "no generation");
    let part = pb::ManifestPart {
        generation: Some(pb::Generation::default()),
        pods: vec![Bytes::from_static(b"{}")],
        ..Default::default()
    };
    assert!(Part::try_from(part).is_err(), "a pod without metadata");
    assert!(StreamRequest::try_from(pb::StreamOpen::default()).is_err());
    assert!(Size::try_from(pb::Resize { width: 70_000, height: 1 }).is_err());
}

#[test]
fn random_bytes_are_decoded_or_refused() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let len = random.below(60);
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8 % 40).collect();
        if let Ok(part) = pb::ManifestPart::decode(&bytes[..]) {
            let _ = Part::try_from(part);
        }
        if let Ok(hello) = pb::Hello::decode(&bytes[..]) {
            let _ = Hello::try_from(hello);
        }
        if let Ok(open) = pb::StreamOpen::decode(&bytes[..]) {
            let _ = StreamRequest::try_from(open);
        }
    }
}

#[test]
fn debug_prints_nothing_secret() {
    const SECRET: &str = "hunter2";
    let json = format!(r#"{{"metadata":{{"uid":"u","namespace":"n","name":"s"}},"data":{{"p":"{SECRET}"}}}}"#);
    let mut content = NodeContent::default();
    content.insert_pod(Arc::new(PodEntry::parse(json.clone().into()).unwrap()));
    content.insert_attachment(Arc::new(Attachment::parse("Secret", json.clone().into()).unwrap()));
    let step = Manifest::whole(Generation::default(), &content);
    let part = split(&step).next().unwrap();
    let message = pb::to_agent::Message::Manifest(part.clone());
    let token = pb::JoinRequest { token: SECRET.into(), ..Default::default() };
    let frame = pb::Frame { frame: Some(pb::frame::Frame::Stdin(SECRET.into())) };
    let recalled = pb::Recalled { pods: vec![json.into()], last: true };
    let message = pb::ToAgent { message: Some(message) };
    let decoded = Part::try_from(part).unwrap();
    let held = NodeManifest { content, ..NodeManifest::default() };
    let shown = format!("{step:?} {message:?} {token:?} {frame:?} {recalled:?} {decoded:?} {held:?}");
    // Bytes print as text where they are text; a list of numbers would be no better.
    assert!(!shown.contains(SECRET) && !shown.contains("104, 117, 110"), "{shown}");
}
