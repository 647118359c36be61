//! Actions and an object → what each action finds.

use std::borrow::Cow;

use masthead_api::patch::go_value::{shown, type_name};
use serde_json::Value;

use crate::cli::jsonpath::compare::compare;
use crate::cli::jsonpath::parse::{Action, Filter, Slice, Step};

/// Something found: a part of the object, or what stands in the template itself.
pub type Found<'v> = Cow<'v, Value>;

/// What a field that is not there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing.
    Nothing,
    /// A fault.
    Fault,
}

/// What each action finds, one after the other.
///
/// # Errors
/// An action does not fit what it is used on, in the words of Kubernetes' `util/jsonpath`.
pub fn find<'v>(actions: &[Action], object: &'v Value, missing: Missing) -> Result<Vec<Vec<Found<'v>>>, String> {
    let mut out = Vec::new();
    block(actions, 0, &[Cow::Borrowed(object)], Within { range: false, missing }, &mut out)?;
    Ok(out)
}

/// Where a block of actions stands.
#[derive(Clone, Copy)]
struct Within {
    range: bool,
    missing: Missing,
}

/// Goes through actions up to the end of a range or of all; where that is.
fn block<'v>(
    actions: &[Action],
    from: usize,
    current: &[Found<'v>],
    within: Within,
    out: &mut Vec<Vec<Found<'v>>>,
) -> Result<usize, String> {
    let mut at = from;
    while let Some(action) = actions.get(at) {
        match action.first() {
            Some(Step::Word(word)) if word == "end" && within.range => return Ok(at),
            Some(Step::Word(word)) if word == "end" => return Err("not in range, nothing to end".to_owned()),
            Some(Step::Word(word)) if word == "range" => {
                let each = walk(&action[1..], current.to_vec(), within.missing)?;
                let (begin, inside) = (at + 1, Within { range: true, ..within });
                if each.is_empty() {
                    let unseen = Within { missing: Missing::Nothing, ..inside };
                    at = block(actions, begin, &[], unseen, &mut Vec::new())?;
                }
                for one in each {
                    at = block(actions, begin, &[one], inside, out)?;
                }
            }
            _ => out.push(walk(action, current.to_vec(), within.missing)?),
        }
        at += 1;
    }
    Ok(at)
}

fn walk<'v>(steps: &[Step], mut found: Vec<Found<'v>>, missing: Missing) -> Result<Vec<Found<'v>>, String> {
    for step in steps {
        found = match step {
            Step::Text(text) => vec![Cow::Owned(text.as_str().into())],
            Step::Whole(number) => found.iter().map(|_| Cow::Owned((*number).into())).collect(),
            Step::Fraction(number) => found.iter().map(|_| Cow::Owned((*number).into())).collect(),
            Step::Flag(flag) => found.iter().map(|_| Cow::Owned((*flag).into())).collect(),
            Step::Word(word) => return Err(format!("unrecognized identifier {word}")),
            Step::Field(name) => {
                let fields: Vec<_> = found.iter().filter_map(|one| field(one, name)).collect();
                if fields.is_empty() && missing == Missing::Fault {
                    return Err(format!("{name} is not found"));
                }
                fields
            }
            Step::All => found.iter().flat_map(parts).collect(),
            Step::Descend => {
                let mut all = Vec::new();
                found.iter().for_each(|one| descend(one, &mut all));
                all
            }
            Step::Slice(slice) => cut(&found, *slice)?,
            Step::Filter(filter) => pass(&found, filter, missing)?,
            Step::Union(several) => {
                let each = several.iter().map(|steps| walk(steps, found.clone(), missing));
                each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
        };
    }
    Ok(found)
}

fn field<'v>(one: &Found<'v>, name: &str) -> Option<Found<'v>> {
    match one {
        Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
        _ => None,
    }
}

fn parts<'v>(one: &Found<'v>) -> Vec<Found<'v>> {
    match one {
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Array(list)) => list.iter().map(Cow::Borrowed).collect(),
        _ => Vec::new(),
    }
}

/// All that holds something; a text holds its letters.
fn descend<'v>(one: &Found<'v>, out: &mut Vec<Found<'v>>) {
    let parts = parts(one);
    if parts.is_empty() && one.as_str().is_none_or(str::is_empty) {
        return;
    }
    out.push(one.clone());
    parts.iter().for_each(|part| descend(part, out));
}

fn cut<'v>(found: &[Found<'v>], slice: Slice) -> Result<Vec<Found<'v>>, String> {
    let mut out = Vec::new();
    for one in found.iter().filter(|one| !one.is_null()) {
        let Cow::Borrowed(Value::Array(list)) = one else {
            return Err(format!("{} is not array or slice", type_name(one)));
        };
        let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64, is_from_end: bool| if is_from_end { at.saturating_add(length) } else { at };
        let from = slice.from.unwrap_or(0);
        let from = from_end(from, from < 0);
        let to = slice.to.unwrap_or(length);
        let to = from_end(to, to < 0 || to == 0 && slice.single);
        if from == to {
            continue;
        }
        if !(0..length).contains(&from) {
            return Err(format!("array index out of bounds: index {from}, length {length}"));
        }
        if !(0..=length).contains(&to) {
            return Err(format!("array index out of bounds: index {}, length {length}", to - 1));
        }
        if from > to {
            return Err(format!("starting index {from} is greater than ending index {to}"));
        }
        let step = match slice.step {
            None => 1,
            Some(step) => usize::try_from(step).ok().filter(|step| *step > 0).ok_or("step must be > 0")?,
        };
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        out.extend(list.get(range).unwrap_or_default().iter().step_by(step).map(Cow::Borrowed));
    }
    Ok(out)
}

fn pass<'v>(found: &[Found<'v>], filter: &Filter, missing: Missing) -> Result<Vec<Found<'v>>, String> {
    let mut out = Vec::new();
    for one in found {
        let Cow::Borrowed(Value::Array(list)) = one else {
            return Err(format!("{} is not array or slice and cannot be filtered", shown(one)));
        };
        for element in list {
            let at = |steps: &[Step], missing| walk(steps, vec![Cow::Borrowed(element)], missing);
            let Some((operator, right)) = &filter.right else {
                let left = at(&filter.left, Missing::Nothing);
                // What fails counts as found, as it does with kubectl.
                out.extend(left.map_or(true, |left| !left.is_empty()).then_some(Cow::Borrowed(element)));
                continue;
            };
            let (Some(left), Some(right)) = (only(at(&filter.left, missing)?)?, only(at(right, missing)?)?) else {
                continue;
            };
            if compare(operator, &left, &right)? {
                out.push(Cow::Borrowed(element));
            }
        }
    }
    Ok(out)
}

/// The one that was found, if any was.
fn only(mut found: Vec<Found<'_>>) -> Result<Option<Found<'_>>, String> {
    if found.len() > 1 {
        return Err("can only compare one element at a time".to_owned());
    }
    Ok(found.pop())
}
