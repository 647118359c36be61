//! An object in Kubernetes' protobuf form, which typed clients send for built-in kinds, to the same object as JSON.

use serde_json::{Map, Value, json};

use crate::bytes::encode;
use crate::kind::Kind;
use crate::meta::time::MicroTime;
use crate::schema::field::{Field, Schema, Shape};

/// What stands before each object.
const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They do not begin as one does.
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    Magic,
    /// They end within a field.
    #[error("unexpected EOF")]
    Truncated,
    /// A number is longer than any is.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field is coded in a way that its type is not, or in one that is no more.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    Wire {
        /// How it is coded.
        wire: u64,
        /// What it is of.
        field: String,
    },
    /// A text is not UTF-8.
    #[error("string field contains invalid UTF-8")]
    Text,
}

/// Reads an object of a kind.
///
/// # Errors
/// The bytes are none of an object of the kind.
pub fn read(kind: Kind, bytes: &[u8]) -> Result<Value, Error> {
    read_as(kind.info().schema, bytes)
}

/// Reads an object of this schema; `apiVersion` and `kind` are those that stand before it, where any do.
///
/// # Errors
/// As for [`read`].
pub fn read_as(schema: &'static Schema, bytes: &[u8]) -> Result<Value, Error> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    let (mut types, mut raw) = (&[][..], &[][..]);
    while let Some((number, coded)) = next(&mut rest)? {
        match (number, coded) {
            (1, Coded::Bytes(bytes)) => types = bytes,
            (2, Coded::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = Map::new();
    while let Some((number, coded)) = next(&mut types)? {
        if let (1 | 2, Coded::Bytes(text)) = (number, coded)
            && !text.is_empty()
        {
            object.insert(if number == 1 { "apiVersion" } else { "kind" }.to_owned(), self::text(text)?);
        }
    }
    structure(schema, 0, raw, &mut object)?;
    Ok(Value::Object(object))
}

/// A field as it is coded.
#[derive(Clone, Copy)]
enum Coded<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl Coded<'_> {
    fn wire(self) -> u64 {
        match self {
            Coded::Number(_) => 0,
            Coded::Fixed(_) => 1,
            Coded::Bytes(_) => 2,
        }
    }
}

/// The next field of a message, by its number.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Coded<'a>)>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    let tag = varint(rest)?;
    let number = tag >> 3;
    let coded = match tag & 7 {
        0 => Coded::Number(varint(rest)?),
        1 => {
            let (fixed, after) = rest.split_first_chunk::<8>().ok_or(Error::Truncated)?;
            *rest = after;
            Coded::Fixed(u64::from_le_bytes(*fixed))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| Error::Overflow)?;
            let (bytes, after) = rest.split_at_checked(length).ok_or(Error::Truncated)?;
            *rest = after;
            Coded::Bytes(bytes)
        }
        5 => {
            let (fixed, after) = rest.split_first_chunk::<4>().ok_or(Error::Truncated)?;
            *rest = after;
            Coded::Fixed(u32::from_le_bytes(*fixed).into())
        }
        wire => return Err(Error::Wire { wire, field: number.to_string() }),
    };
    Ok(Some((number, coded)))
}

fn varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut out = 0_u64;
    for at in 0..10_u32 {
        let (byte, after) = rest.split_first().ok_or(Error::Truncated)?;
        *rest = after;
        out |= u64::from(byte & 0x7f).checked_shl(7 * at).unwrap_or_default();
        if byte & 0x80 == 0 {
            return Ok(out);
        }
    }
    Err(Error::Overflow)
}

/// Reads the fields of a struct, of those that an embedded message of this number holds; 0 is the struct's own.
fn structure(schema: &'static Schema, within: u32, bytes: &[u8], out: &mut Map<String, Value>) -> Result<(), Error> {
    let mut rest = bytes;
    while let Some((number, coded)) = next(&mut rest)? {
        let is_it = |field: &&Field| field.within == within && u64::from(field.number) == number;
        if let Some(field) = schema.fields.iter().find(is_it) {
            enter(field, coded, out)?;
        } else if within == 0
            && let Coded::Bytes(inner) = coded
            && let Some(field) =
                schema.fields.iter().find(|field| field.within > 0 && u64::from(field.within) == number)
        {
            structure(schema, field.within, inner, out)?;
        }
    }
    Ok(())
}

fn enter(field: &'static Field, coded: Coded<'_>, out: &mut Map<String, Value>) -> Result<(), Error> {
    match &field.shape {
        Shape::List(element) => {
            let item = value(element, field, coded)?;
            let list = out.entry(field.json).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(item);
            }
        }
        Shape::Map(element) => {
            let Coded::Bytes(mut entry) = coded else { return Err(wrong(field, coded)) };
            let (mut key, mut held) = (String::new(), None);
            while let Some((number, coded)) = next(&mut entry)? {
                match (number, coded) {
                    (1, Coded::Bytes(bytes)) => key = utf8(bytes)?,
                    (2, coded) => held = Some(value(element, field, coded)?),
                    _ => {}
                }
            }
            let held = match held {
                Some(held) => held,
                None => value(element, field, Coded::Bytes(&[]))?,
            };
            let map = out.entry(field.json).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(key, held);
            }
        }
        shape => {
            let value = value(shape, field, coded)?;
            out.insert(field.json.to_owned(), value);
        }
    }
    Ok(())
}

fn wrong(field: &Field, coded: Coded<'_>) -> Error {
    Error::Wire { wire: coded.wire(), field: field.json.to_owned() }
}

fn utf8(bytes: &[u8]) -> Result<String, Error> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Error::Text)
}

fn text(bytes: &[u8]) -> Result<Value, Error> {
    utf8(bytes).map(Value::String)
}

/// A number as it is signed: 32 bits are written in 64.
fn signed(number: u64) -> i64 {
    i64::from_le_bytes(number.to_le_bytes())
}

fn value(shape: &'static Shape, field: &'static Field, coded: Coded<'_>) -> Result<Value, Error> {
    Ok(match (shape, coded) {
        (Shape::Bool, Coded::Number(number)) => (number != 0).into(),
        (Shape::I32 | Shape::I64, Coded::Number(number)) => signed(number).into(),
        (Shape::F64, Coded::Fixed(bits)) => f64::from_bits(bits).into(),
        (Shape::String, Coded::Bytes(bytes)) => text(bytes)?,
        (Shape::Bytes, Coded::Bytes(bytes)) => encode(bytes).into(),
        (Shape::Struct(schema), Coded::Bytes(bytes)) => {
            let mut inner = Map::new();
            structure(schema, 0, bytes, &mut inner)?;
            inner.into()
        }
        // Each of these is a message, of one text.
        (Shape::Quantity, Coded::Bytes(bytes)) => match parts(bytes)? {
            [_, Some(Coded::Bytes(written)), ..] => text(written)?,
            _ => "0".into(),
        },
        (Shape::Any, Coded::Bytes(bytes)) => match parts(bytes)? {
            // What is no JSON is refused by whoever reads the object.
            [_, Some(Coded::Bytes(json)), ..] => match serde_json::from_slice(json) {
                Ok(value) => value,
                Err(_) => text(json)?,
            },
            _ => Value::Null,
        },
        // A type, a number and a text.
        (Shape::IntOrString, Coded::Bytes(bytes)) => match parts(bytes)? {
            [_, Some(Coded::Number(1)), _, Some(Coded::Bytes(written))] => text(written)?,
            [_, Some(Coded::Number(1)), _, _] => "".into(),
            [_, _, Some(Coded::Number(number)), _] => signed(number).into(),
            _ => 0.into(),
        },
        // Seconds and nanoseconds.
        (Shape::Time | Shape::MicroTime, Coded::Bytes(bytes)) => {
            let part = |coded: Option<Coded<'_>>| match coded {
                Some(Coded::Number(number)) => signed(number),
                _ => 0,
            };
            let [_, seconds, nanos, _] = parts(bytes)?;
            let time = MicroTime(part(seconds).saturating_mul(1_000_000).saturating_add(part(nanos) / 1000));
            match (shape, time.0) {
                (_, 0) => Value::Null,
                (Shape::Time, _) => json!(time.time()),
                _ => json!(time),
            }
        }
        (Shape::List(_) | Shape::Map(_), coded) => return Err(wrong(field, coded)),
        (Shape::Bool, Coded::Bytes([])) => false.into(),
        (Shape::I32 | Shape::I64, Coded::Bytes([])) => 0.into(),
        (_, coded) => return Err(wrong(field, coded)),
    })
}

/// The first three fields of a message by their numbers.
fn parts(bytes: &[u8]) -> Result<[Option<Coded<'_>>; 4], Error> {
    let mut out = [None; 4];
    let mut rest = bytes;
    while let Some((number, coded)) = next(&mut rest)? {
        if let Some(part) = usize::try_from(number).ok().and_then(|at| out.get_mut(at)) {
            *part = Some(coded);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admit;
    use crate::kind::registry::{DEPLOYMENT, INGRESS, JOB, NAMESPACE, POD, SECRET, SERVICE};

    // What kubectl 1.32 sends to make objects, each in hexadecimal.
    const NAMESPACE_FOO: &str = "\
        6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a00\
        1a002200";
    const SECRET_S: &str = "\
        6b3873000a0c0a0276311206536563726574121d0a110a017312001a0022002a0032003800420012060a01701201771a001a\
        002200";
    const DEPLOYMENT_D: &str = "\
        6b3873000a150a07617070732f7631120a4465706c6f796d656e7412a9010a1b0a016412001a0022002a003200380042005a\
        080a03617070120164127c0801120a0a080a036170701201641a640a1a0a0012001a0022002a003200380042005a080a0361\
        7070120164124612280a01781203783a312a00320a0a001000185022002a0042006a007200800100880100900100a201001a\
        00320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a0c0800100018002000280038001a\
        002200";
    const JOB_J: &str = "\
        6b3873000a0f0a0862617463682f763112034a6f62127b0a110a016a12001a0022002a00320038004200125c325a0a100a00\
        12001a0022002a00320038004200124612230a016a1201781a0372756e1a0269742a0042006a007200800100880100900100\
        a201001a054e65766572320042004a0052005800600068008201008a01009a0100c201001a082000280030003a001a002200";
    const SERVICE_A: &str = "\
        6b3873000a0d0a02763112075365727669636512660a1b0a016112001a0022002a003200380042005a080a03617070120161\
        12430a1e0a0738302d6874747012035443501850220a080110001a0468747470280012080a036170701201611a002209436c\
        757374657249503a00420052005a00600068001a020a001a002200";
    const INGRESS_I: &str = "\
        6b3873000a1f0a146e6574776f726b696e672e6b38732e696f2f76311207496e6772657373124b0a110a016912001a002200\
        2a0032003800420012321a300a0e612e6578616d706c652e74657374121e0a1c0a1a0a022f78120d220b0a0373766312040a\
        0010501a0545786163741a020a001a002200";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn objects_are_as_in_json() {
        let check = |kind: Kind, sent: &str, manifest: Value| {
            let read = read(kind, &bytes(sent)).unwrap();
            assert_eq!(admit::create(read.clone(), "default"), admit::create(manifest, "default"), "{read}");
        };
        check(NAMESPACE, NAMESPACE_FOO, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo"}}));
        check(
            SECRET,
            SECRET_S,
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"p": "dw=="}}),
        );
        let labels = json!({"app": "d"});
        check(
            DEPLOYMENT,
            DEPLOYMENT_D,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": labels},
                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "x", "image": "x:1", "ports": [{"containerPort": 80}]}]}}}}),
        );
        check(
            JOB,
            JOB_J,
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "j", "image": "x", "command": ["run", "it"]}]}}}}),
        );
        let labels = json!({"app": "a"});
        check(
            SERVICE,
            SERVICE_A,
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": labels}, "spec": {
                "type": "ClusterIP", "selector": labels,
                "ports": [{"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}]}}),
        );
        check(
            INGRESS,
            INGRESS_I,
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": [
                {"host": "a.example.test", "http": {"paths": [{"path": "/x", "pathType": "Exact",
                    "backend": {"service": {"name": "svc", "port": {"number": 80}}}}]}}]}}),
        );
    }

    #[test]
    fn what_is_no_object_is_refused_and_nothing_panics() {
        assert_eq!(read(POD, b"{}"), Err(Error::Magic));
        let sent = bytes(DEPLOYMENT_D);
        assert_eq!(read(DEPLOYMENT, &sent[..sent.len() - 9]), Err(Error::Truncated));
        assert_eq!(read(POD, b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(Error::Overflow));
        assert_eq!(read(POD, b"k8s\0\x0b"), Err(Error::Wire { wire: 3, field: "1".to_owned() }));
        let mut seed = 1_u64;
        for hex in [NAMESPACE_FOO, SECRET_S, DEPLOYMENT_D, JOB_J, SERVICE_A, INGRESS_I] {
            let sent = bytes(hex);
            for kind in Kind::all() {
                for end in 0..sent.len() {
                    drop(read(*kind, &sent[..end]));
                }
                for _ in 0..100 {
                    let mut broken = sent.clone();
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let at = usize::try_from(seed >> 33).unwrap() % broken.len();
                    broken[at] = broken[at].wrapping_add(u8::try_from(seed >> 56).unwrap());
                    drop(read(*kind, &broken));
                }
            }
        }
    }

    #[test]
    fn values_of_every_shape_are_read() {
        // A pod with a start time, a quantity, a number below zero, a flag and a probe, which is an embedded message.
        let message =
            |number: u8, inner: &[u8]| [&[number << 3 | 2, u8::try_from(inner.len()).unwrap()], inner].concat();
        let requests = message(2, &[message(1, b"cpu"), message(2, &message(1, b"500m"))].concat());
        let get = message(2, &[message(1, b"/x"), message(2, &[0x08, 0, 0x10, 80])].concat());
        let probe = [message(1, &get), vec![0x10, 5]].concat();
        let container = [message(1, b"c"), message(8, &requests), message(10, &probe)].concat();
        let spec =
            [message(2, &container), vec![0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x58, 1]];
        let status = message(7, &[0x08, 0x80, 0xa8, 0xd6, 0xb9, 0x07]);
        let pod = [message(2, &spec.concat()), message(3, &status)].concat();
        let sent = [MAGIC, &message(2, &pod)].concat();
        assert_eq!(
            read(POD, &sent).unwrap(),
            json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}},
                    "livenessProbe": {"httpGet": {"path": "/x", "port": 80}, "initialDelaySeconds": 5}}],
                "terminationGracePeriodSeconds": -1, "hostNetwork": true}, "status": {"startTime": "2033-05-18T03:33:20Z"}})
        );
    }
}
