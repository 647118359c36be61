//! What is said of an object now, and its conditions before → its conditions after.

use masthead_api::meta::condition::Condition;
use masthead_api::meta::time::Time;

/// Why something is not as asked: a word of the specification, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// One CamelCase word.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Fault {
    /// A fault.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Fault {
        Fault { reason, message: message.into() }
    }
}

/// One condition as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its type.
    pub type_: &'static str,
    /// Whether it is true.
    pub status: bool,
    /// One CamelCase word.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Said {
    /// True with a reason, or false with a fault.
    pub fn of(type_: &'static str, reason: &'static str, fault: Option<&Fault>) -> Said {
        match fault {
            None => Said { type_, status: true, reason, message: String::new() },
            Some(fault) => Said { type_, status: false, reason: fault.reason, message: fault.message.clone() },
        }
    }
}

/// The conditions after what is said. Those of types that are not `ours` are others', and stay; of ours only what is said
/// stays. The time of a condition is that of its last change between true and false.
pub fn merge(before: &[Condition], said: &[Said], ours: &[&str], generation: i64, now: Time) -> Vec<Condition> {
    let known = |type_: &str| before.iter().find(|condition| condition.type_ == type_);
    let mut after: Vec<Condition> = said
        .iter()
        .map(|said| {
            let status = if said.status { "True" } else { "False" };
            let since = known(said.type_).filter(|known| known.status == status);
            Condition {
                type_: said.type_.to_owned(),
                status: status.to_owned(),
                observed_generation: generation,
                last_transition_time: since.and_then(|known| known.last_transition_time).or(Some(now)),
                reason: said.reason.to_owned(),
                message: said.message.clone(),
            }
        })
        .collect();
    after.extend(before.iter().filter(|condition| !ours.contains(&condition.type_.as_str())).cloned());
    after
}
