//! URLs to dictionaries and back.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::Kind;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;

use crate::args::{NIL_POINTER, map, text};
use crate::golang::url::{self, Url};
use crate::signature::fixed;

/// `urlParse`, `urlJoin`, and `getHostByName`, which asks nobody: Helm answers it with an empty text unless told otherwise.
pub static FUNCTIONS: [Function; 3] = [
    fixed("urlParse", &[Param::Str], parse),
    fixed("urlJoin", &[Param::Map], join),
    fixed("getHostByName", &[Param::Str], |_, _| Ok(Value::from(""))),
];

fn parse(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let url = url::parse(text(a, 0)).map_err(|error| format!("unable to parse url: {error}"))?;
    let userinfo = url.user.as_ref().map(|user| user.text()).unwrap_or_default();
    let hostname = url.hostname().to_vec();
    let parts = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.raw_query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", userinfo),
    ];
    Ok(Value::Map(parts.into_iter().map(|(key, part)| (key.into(), Value::str(part))).collect()))
}

fn join(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let dict = map(a, 0);
    let mut url = Url {
        scheme: part(&dict, "scheme")?,
        host: part(&dict, "host")?,
        path: part(&dict, "path")?,
        raw_query: part(&dict, "query")?,
        opaque: part(&dict, "opaque")?,
        fragment: part(&dict, "fragment")?,
        user: None,
    };
    let userinfo = part(&dict, "userinfo")?;
    if !userinfo.is_empty() {
        let whole = [b"proto://", userinfo.as_slice(), b"@host"].concat();
        let parsed = url::parse(&whole).map_err(|error| format!("unable to parse userinfo in dict: {error}"))?;
        url.user = parsed.user;
    }
    Ok(Value::str(url.text()))
}

fn part(dict: &Map, key: &str) -> Result<Vec<u8>, String> {
    match dict.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Nil) => Err(NIL_POINTER.to_owned()),
        Some(value) if value.kind() == Kind::String => Ok(crate::text::strval(&value)?.as_bytes().to_vec()),
        Some(value) => {
            Err(format!("unable to parse {key} key, must be of type string, but {} found", value.kind().name()))
        }
    }
}
