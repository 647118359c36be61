//! Values that come together: charts' and users', files and `--set` lines.

use std::fmt::Write;
use std::sync::Arc;

use masthead_chart::chart::File;
use masthead_chart::load;
use masthead_chart::render::{Asks, Options, render};
use masthead_chart::strvals::{Kind, parse_into};
use masthead_chart::tree::{Table, Tree, table_from_json};
use masthead_sprig::time::moment::Moment;
use serde_json::{Value as Json, json};

use crate::random::Random;

const KEYS: [&str; 8] = ["a", "b", "c", "d", "global", "x", "tags", "exports"];

pub fn table(json: &Json) -> Table {
    match json {
        Json::Object(fields) => table_from_json(fields.clone()),
        _ => Table::new(),
    }
}

/// What a chart `t` with charts `c` and, within it, `d` makes of values, and the warnings.
fn coalesced(charts: &[Json; 3], chart_yaml: &str, user: &Json) -> Result<(Json, Vec<String>), String> {
    let yaml = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    let files = vec![
        File::new("Chart.yaml", yaml("t") + chart_yaml),
        File::new("values.yaml", charts[0].to_string()),
        File::new("templates/x.yaml", "v: {{ toJson .Values | quote }}\n"),
        File::new("charts/c/Chart.yaml", yaml("c")),
        File::new("charts/c/values.yaml", charts[1].to_string()),
        File::new("charts/c/charts/d/Chart.yaml", yaml("d")),
        File::new("charts/c/charts/d/values.yaml", charts[2].to_string()),
    ];
    let mut warnings = Vec::new();
    let chart = Arc::new(load::files(files, &mut warnings)?);
    let options = Options::new("r", "n", [7; 32], Moment::from_unix(0, 0));
    let rendered = render(&chart, &table(user), &options, Asks::default(), &mut warnings);
    let rendered = rendered.map_err(|error| error.text)?;
    let text = rendered.manifests.first().map(|one| one.text.clone()).ok_or("nothing was rendered")?;
    let quoted = text.strip_prefix("v: ").ok_or("something else was rendered")?;
    let inner: String = serde_json::from_str(quoted).map_err(|error| error.to_string())?;
    Ok((serde_json::from_str(&inner).map_err(|error| error.to_string())?, warnings))
}

/// Helm's laws of values: the same twice, the user wins, nothing of the charts is lost, once more changes nothing.
pub fn coalesce(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let nulls = random.once_in(2);
    let charts: [Json; 3] = std::array::from_fn(|_| random.object(&KEYS, nulls, 0));
    let user = random.object(&KEYS, nulls, 0);
    let import = random.pick(&[
        "",
        "dependencies: [{name: c, version: '*', repository: '', condition: a.b}]\n",
        "dependencies: [{name: c, version: '*', repository: '', import-values: [a, {child: b, parent: x.y}]}]\n",
        "dependencies: [{name: c, version: '*', repository: '', alias: d, tags: [a]}, {name: c, version: '*', repository: ''}]\n",
    ]);
    let _ = write!(tried, "charts: {charts:?}\nChart.yaml: {import}user: {user}");
    let first = coalesced(&charts, import, &user);
    if coalesced(&charts, import, &user) != first {
        return Err("not the same twice".to_owned());
    }
    let Ok((first, _)) = first else { return Ok(()) };
    for (key, value) in user.as_object().into_iter().flatten() {
        let is_plain = !value.is_object() && !value.is_null() && key != "global";
        if is_plain && first.get(key) != Some(value) && !matches!(value, Json::Array(_)) {
            return Err(format!("the user's {key} is lost: {first}"));
        }
    }
    for (key, value) in charts[0].as_object().into_iter().flatten() {
        let given = user.get(key).is_some();
        if !given && first.get(key).is_none() && !value.is_null() && !matches!(key.as_str(), "c" | "d" | "global") {
            return Err(format!("the chart's {key} is lost: {first}"));
        }
    }
    if nulls || !import.is_empty() {
        return Ok(());
    }
    match coalesced(&charts, import, &first) {
        Ok((again, _)) if again == first => Ok(()),
        again => Err(format!("once more is not the same: {first} and {again:?}")),
    }
}

/// Files of values: the later wins, an empty one changes nothing, and what has no key in common comes in any order.
pub fn merge(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let all: [Json; 3] = std::array::from_fn(|_| random.object(&KEYS, true, 0));
    let _ = write!(tried, "{all:?}");
    let merged = |list: &[&Json]| {
        let mut base = Table::new();
        list.iter().for_each(|one| base.merge(table(one)));
        base
    };
    let [a, b, c] = &all;
    for (key, value) in c.as_object().into_iter().flatten() {
        let whole = merged(&[a, b, c]);
        if !value.is_object() && whole.get(key.as_bytes()) != table(c).get(key.as_bytes()) {
            return Err(format!("the last {key} is lost"));
        }
    }
    if merged(&[a, a]) != merged(&[a]) || merged(&[a, &json!({})]) != merged(&[a]) {
        return Err("twice is not once".to_owned());
    }
    let prefixed = |one: &Json, prefix: &str| -> Json {
        let fields = one.as_object().into_iter().flatten();
        fields.map(|(key, value)| (format!("{prefix}{key}"), value.clone())).collect::<serde_json::Map<_, _>>().into()
    };
    let (left, right) = (prefixed(a, "l"), prefixed(b, "r"));
    if merged(&[&left, &right]) != merged(&[&right, &left]) {
        return Err("the order counts where no key is in both".to_owned());
    }
    Ok(())
}

/// `--set` lines of all that has a meaning.
pub fn strvals(random: &mut Random, tried: &mut String) -> Result<(), String> {
    const PIECES: [&str; 30] = [
        "a",
        "b.c",
        "x",
        "=",
        "=",
        "[",
        "]",
        "0",
        "1",
        "-1",
        "65536",
        "99999999",
        ",",
        ".",
        "{",
        "}",
        "\\",
        " ",
        "true",
        "null",
        "\"",
        "é",
        ":",
        "[0]",
        "[0][0]",
        "a=1,",
        "a.b.c=x,",
        "a[1].b=2,",
        "\u{0}",
        "{\"a\": [1]}",
    ];
    let most = if random.once_in(50) { 4_000 } else { 16 };
    let line = random.text(&PIECES, most);
    let base = random.object(&KEYS, true, 0);
    let _ = write!(tried, "{base}\n{line:?}");
    let run = |kind: Kind<'_>| {
        let mut dest = table(&base);
        let done = parse_into(&line, &mut dest, kind);
        (done, Tree::Map(dest).to_json())
    };
    let mut same = true;
    same &= run(Kind::Typed) == run(Kind::Typed);
    same &= run(Kind::Text) == run(Kind::Text);
    same &= run(Kind::Literal) == run(Kind::Literal);
    same &= run(Kind::Json) == run(Kind::Json);
    let mut file =
        |name: &str| if name.len() > 3 { Err("no such file".to_owned()) } else { Ok(vec![0xFF; name.len()]) };
    drop(run(Kind::File(&mut file)));
    if !same {
        return Err("not the same twice".to_owned());
    }
    // Keys that have nothing in common may come in any order.
    let name = |random: &mut Random| random.text(&["a", "b", "c"], 3) + "k";
    let (one, two) = (name(random) + "=1", "z".to_owned() + &name(random) + ".y=2");
    let _ = write!(tried, "\n{one} {two}");
    let set = |line: &str| {
        let mut dest = Table::new();
        parse_into(line, &mut dest, Kind::Typed).map(|()| dest)
    };
    if set(&format!("{one},{two}")) != set(&format!("{two},{one}")) {
        return Err("the order counts where no key is in both".to_owned());
    }
    Ok(())
}
