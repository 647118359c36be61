//! Objects → the columns, cells and lines of `get` that a real server and kubectl gave.

use masthead_api::meta::time::Time;
use masthead_api::table;
use serde_json::{Value, json};

use crate::read::cases;
use crate::refuse::{Tally, kind_of};

/// What stands between two or more spaces.
fn fields(line: &str) -> Vec<String> {
    line.split("  ").map(str::trim).filter(|f| !f.is_empty()).map(str::to_owned).collect()
}

#[test]
fn tables_agree() {
    let mut tally = Tally::default();
    for case in ["pods", "others"].iter().flat_map(|f| cases(&format!("tables/{f}.json"))) {
        let object = &case["object"];
        let Some(kind) = kind_of(object) else {
            tally.skip(&case, &format!("kind {} is not in scope", object["kind"]));
            continue;
        };
        let now = Time::parse(case["now"].as_str().unwrap()).unwrap();
        let columns = table::rows::columns(kind);
        let definitions: Vec<Value> = columns
            .iter()
            .map(|c| json!({"name": c.name, "type": c.type_, "format": c.format, "priority": c.priority}))
            .collect();
        let mut cells = table::rows::cells(kind, object, now).unwrap();
        // The recording masks the age alone.
        if let Some(age) = columns.iter().position(|c| c.name == "Age") {
            cells[age] = "<AGE>".into();
        }
        let lines = |wide: bool| -> Vec<Vec<String>> {
            table::text::render(columns, std::slice::from_ref(&cells), wide).lines().map(fields).collect()
        };
        let recorded = |key: &str| -> Vec<Vec<String>> {
            case[key].as_array().unwrap().iter().map(|line| fields(line.as_str().unwrap())).collect()
        };
        let got = json!([definitions, cells, lines(false), lines(true)]);
        let expect = json!([case["columnDefinitions"], case["cells"], recorded("get"), recorded("wide")]);
        tally.compare(&case, &got, &expect);
    }
    tally.finish();
}
