//! Expressions to what Helm v3.21.4 renders for them: all functions, results and errors, compared byte for byte.
//!
//! `expressions.json` was made by Helm's own engine (Go 1.26, UTC); none of its values is random or dated.

use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::exec::limits::MissingKey;
use masthead_gotmpl::json::{self, Numbers};
use masthead_gotmpl::set::Set;
use masthead_sprig::host::Host;
use masthead_sprig::table;
use masthead_sprig::time::moment::Moment;
use serde_json::{Value as Json, json};

const NAME: &str = "t/templates/x.yaml";
/// A thousand templates within each other need more than a test's thread has.
const STACK_BYTES: usize = 256 << 20;

fn evaluate(source: &str, values: &Json) -> Result<String, String> {
    let mut set = Set::new(table::functions());
    set.parse(NAME, source.as_bytes()).map_err(|error| error.to_string())?;
    let mut host = Host::new([7; 32], "r", Moment::from_unix(1_700_000_000, 0));
    let options = Options { missing_key: MissingKey::Zero, set_name: "gotpl", ..Options::default() };
    let dot = json::from_json(&json!({ "Values": values }), Numbers::Float);
    let out = Execution::new(&set, options, &mut host).execute(NAME.as_bytes(), dot).map_err(|failure| failure.text)?;
    Ok(String::from_utf8_lossy(&out).replace("<no value>", ""))
}

fn check_all() {
    let table: Json = serde_json::from_str(include_str!("expressions.json")).expect("the table is JSON");
    let cases = table["cases"].as_array().expect("the table has cases");
    let mut wrong = Vec::new();
    for case in cases {
        let source = case["source"].as_str().expect("a case has a source");
        let expected = match case["ok"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(case["err"].as_str().expect("a case has a result").to_owned()),
        };
        let found = evaluate(source, &table["values"]);
        if found != expected {
            wrong.push(format!("{source}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(cases.len() > 500, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn expressions_render_as_in_helm() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(check_all).expect("a thread starts");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn what_helm_takes_out_is_not_there() {
    for name in ["env", "expandenv", "mustToYaml"] {
        let error = evaluate(&format!("{{{{ {name} \"x\" }}}}"), &Json::Null).unwrap_err();
        assert!(error.ends_with(&format!("function \"{name}\" not defined")), "{error}");
    }
    // As many as sprig v3.3 and Helm v3.21 have.
    assert_eq!(table::functions().names().len(), 220);
}

#[test]
fn random_values_are_stable_for_a_place_and_differ_between_places() {
    let source = "{{ randAlphaNum 20 }} {{ randAlphaNum 20 }} {{ uuidv4 }} {{ bcrypt \"x\" }} {{ range until 2 }}{{ randNumeric 9 }} {{ end }}";
    let first = evaluate(source, &Json::Null).expect("it renders");
    assert_eq!(first, evaluate(source, &Json::Null).expect("it renders"));
    let parts: Vec<&str> = first.split_whitespace().collect();
    assert_ne!(parts[0], parts[1]);
    assert_ne!(parts[4], parts[5], "two turns of a loop");
    assert_eq!((parts[0].len(), parts[2].len(), parts[3].len()), (20, 36, 60));
}

#[test]
fn certificates_are_stable_and_chain() {
    let source = "{{ $ca := genCAWithKey \"ca\" 10 (genPrivateKey \"ecdsa\") }}\
                  {{ (genSignedCertWithKey \"n\" (list \"10.0.0.1\") (list \"a.b\") 5 $ca (genPrivateKey \"ed25519\")).Cert }}";
    let first = evaluate(source, &Json::Null).expect("it renders");
    assert!(first.starts_with("-----BEGIN CERTIFICATE-----\n"), "{first}");
    assert_eq!(first, evaluate(source, &Json::Null).expect("it renders"));
    let stranger = "{{ $ca := genCAWithKey \"ca\" 10 (genPrivateKey \"ecdsa\") }}\
                    {{ $other := genCAWithKey \"ca\" 10 (genPrivateKey \"ecdsa\") }}\
                    {{ $mixed := buildCustomCert ($ca.Cert | b64enc) ($other.Key | b64enc) }}\
                    {{ genSignedCert \"n\" nil nil 5 $mixed }}";
    let error = evaluate(stranger, &Json::Null).unwrap_err();
    assert!(error.contains("x509: provided PrivateKey doesn't match parent's PublicKey"), "{error}");
}
