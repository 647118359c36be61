//! Versions and constraints against what Masterminds' semver gave for the same input.

use super::{constraint, version};

fn check(constraint: &str, version: &str, expect: Result<bool, &str>) {
    let found = constraint::parse(constraint.as_bytes()).map_err(|error| error.to_string()).and_then(|constraint| {
        let version = version::parse(version.as_bytes()).map_err(|error| error.to_string())?;
        Ok(constraint.check(&version))
    });
    assert_eq!(found, expect.map_err(str::to_owned), "{constraint} {version}");
}

#[test]
fn constraints() {
    for (constraint, version, expect) in [
        (">=1.19-0", "v1.20.0-beta.1", true),
        (">=1.19", "1.20.0-beta.1", false),
        ("^0.2.3", "0.2.9", true),
        ("^0.2.3", "0.3.0", false),
        ("^0.0", "0.0.9", true),
        ("~1", "1.9.9", true),
        ("~1.2.x", "1.3.0", false),
        ("1.2 - 1.4.5", "1.4.5", true),
        ("1.2 - 1.4", "1.4.9", true),
        (">1.2", "1.2.9", false),
        ("<=1.2", "1.2.9", true),
        ("!=1.2.x", "1.2.3", false),
        ("*", "0.0.1", true),
        ("<1 || >=2, <3", "2.5", true),
        ("1.2.3", "1.2.3+meta", true),
        (">1.0.0-rc.2", "1.0.0-rc.10", true),
        ("> 1 <3", "2.0.0", true),
    ] {
        check(constraint, version, Ok(expect));
    }
    check("==1", "1.0.0", Err("improper constraint: \"==1\""));
    check("", "1.0.0", Err("improper constraint: \"\""));
    check("1x.2", "1.0.0", Err("constraint parser error"));
    check("1", "a", Err("invalid semantic version"));
    check("1", "1.0.0-01", Err("version segment starts with 0"));
    check(
        "1",
        "1.99999999999999999999",
        Err("error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range"),
    );
}

#[test]
fn what_comes_next() {
    let version = version::parse(b"v1.2.3-rc.1+b").expect("a version");
    let next = |result: Result<version::Version, String>| result.map(|version| version.original);
    assert_eq!(next(version.inc_patch()), Ok("v1.2.3".to_owned()));
    assert_eq!(next(version.inc_minor()), Ok("v1.3.0".to_owned()));
    assert_eq!(next(version.inc_major()), Ok("v2.0.0".to_owned()));
    assert_eq!(version.set_prerelease("a..b"), Err(version::Error::Prerelease));
}
