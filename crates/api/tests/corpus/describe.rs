//! Objects → the very lines of `describe`, and the very spaces of `get`, that kubectl printed.

use masthead_api::describe::{Related, describe};
use masthead_api::meta::time::Time;
use masthead_api::object::Object;
use masthead_api::table;
use serde_json::{Value, json};

use crate::read::cases;
use crate::refuse::{Tally, kind_of};

fn recordings() -> impl Iterator<Item = Value> {
    ["pods", "others"].into_iter().flat_map(|file| cases(&format!("tables/{file}.json")))
}

fn recorded(case: &Value, key: &str) -> Vec<String> {
    case[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// A line with what the recordings mask: times, and the cluster addresses of a service.
fn masked(line: &str, is_service: bool) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for i in 0..words.len() {
        // `Sat, 21 Nov 2026 08:38:00 +0000` is six words, RFC 3339 is one.
        let in_words = words[i].len() == 4 && words[i].ends_with(',') && words.get(i + 5) == Some(&"+0000");
        if in_words {
            words.splice(i..i + 6, ["<TIME>"]);
            return masked(&words.join(" "), is_service);
        }
        if words[i].len() >= 20 && Time::parse(words[i]).is_some() {
            words[i] = "<TIME>";
        }
        let is_address = words[i].parse::<std::net::IpAddr>().is_ok();
        // The recording masks the network of a policy as an address and its prefix.
        if let Some((address, bits)) = words[i].split_once('/')
            && line.trim_start().starts_with("CIDR:")
            && address.parse::<std::net::IpAddr>().is_ok()
        {
            return line.replace(words[i], &format!("<IP>/{bits}"));
        }
        if is_service && (line.starts_with("IP:") || line.starts_with("IPs:")) && is_address {
            words[i] = "<IP>";
        }
    }
    words.join(" ")
}

/// The object as it was served: the recordings leave the uid and the version out, but describe shows them.
fn served(case: &Value) -> Object {
    let mut object = case["object"].clone();
    object["metadata"]["uid"] = "<UID>".into();
    let lines = recorded(case, "describe");
    let version = lines.iter().find_map(|line| line.trim().strip_prefix("Resource Version:"));
    if let Some(version) = version {
        object["metadata"]["resourceVersion"] = version.trim().into();
    }
    Object::from_value(object).unwrap()
}

#[test]
fn descriptions_agree() {
    let mut tally = Tally::default();
    for case in recordings() {
        if kind_of(&case["object"]).is_none() {
            tally.skip(&case, &format!("kind {} is not in scope", case["object"]["kind"]));
            continue;
        }
        let now = Time::parse(case["now"].as_str().unwrap()).unwrap();
        let related = Related { events: Some(&[]), ..Related::default() };
        let mut text = describe(&served(&case), &related, now).unwrap();
        // A Job's labels and selector hold its uid.
        if let Some(uid) = case["object"]["metadata"]["labels"]["controller-uid"].as_str() {
            text = text.replace(uid, "<UID>");
        }
        let is_service = case["object"]["kind"] == "Service";
        let got: Vec<String> = text.lines().map(|line| masked(line, is_service)).collect();
        tally.compare(&case, &json!(got), &json!(recorded(&case, "describe")));
    }
    tally.finish();
}

#[test]
fn tables_agree_to_the_space() {
    let mut tally = Tally::default();
    for case in recordings() {
        let Some(kind) = kind_of(&case["object"]) else {
            tally.skip(&case, &format!("kind {} is not in scope", case["object"]["kind"]));
            continue;
        };
        let now = Time::parse(case["now"].as_str().unwrap()).unwrap();
        let columns = table::rows::columns(kind);
        let mut cells = table::rows::row(&served(&case), now).unwrap();
        if let Some(age) = columns.iter().position(|column| column.name == "Age") {
            cells[age] = "<AGE>".into();
        }
        // Behind the age the recordings are spaced anew.
        let until_age = |line: &str| line.split_once("AGE").map_or(line.to_owned(), |(before, _)| before.to_owned());
        let lines = |wide| -> Vec<String> {
            table::text::render(columns, std::slice::from_ref(&cells), wide).lines().map(until_age).collect()
        };
        let expect = |key| -> Vec<String> { recorded(&case, key).iter().map(|line| until_age(line)).collect() };
        tally.compare(&case, &json!([lines(false), lines(true)]), &json!([expect("get"), expect("wide")]));
    }
    tally.finish();
}
