//! Template sources as a JSON array on standard input to what each renders, as a JSON array of `{"ok"}` or `{"err"}`.
//!
//! For comparing with the same sources rendered by Helm: `cargo run -p masthead-sprig --example evaluate < sources.json`.

use std::io::Read;

use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::exec::limits::MissingKey;
use masthead_gotmpl::json::{self, Numbers};
use masthead_gotmpl::set::Set;
use masthead_sprig::host::Host;
use masthead_sprig::table;
use masthead_sprig::time::moment::Moment;
use serde_json::{Value as Json, json};

const NAME: &str = "t/templates/x.yaml";

fn main() {
    let mut text = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut text) {
        eprintln!("{error}");
        return;
    }
    let input: Json = serde_json::from_str(&text).unwrap_or_default();
    let values = &input["values"];
    let results: Vec<Json> = input["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|source| evaluate(source.as_str().unwrap_or(""), values))
        .collect();
    println!("{}", Json::from(results));
}

fn evaluate(source: &str, values: &Json) -> Json {
    let mut set = Set::new(table::functions());
    if let Err(error) = set.parse(NAME, source.as_bytes()) {
        return json!({ "err": error.to_string() });
    }
    let mut host = Host::new([7; 32], "r", Moment::from_unix(1_700_000_000, 5));
    let options = Options { missing_key: MissingKey::Zero, set_name: "gotpl", ..Options::default() };
    let dot = json::from_json(&json!({ "Values": values }), Numbers::Float);
    match Execution::new(&set, options, &mut host).execute(NAME.as_bytes(), dot) {
        Ok(out) => json!({ "ok": String::from_utf8_lossy(&out).replace("<no value>", "") }),
        Err(failure) => json!({ "err": failure.text }),
    }
}
