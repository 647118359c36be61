//! A create, update or patch with `dryRun=All` → what Kubernetes would answer, and nothing is made; without it → the
//! refusal that says where it belongs in git.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use masthead_api::admit::{self, Unknown};
use masthead_api::decode::{self, request};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::NAMESPACE;
use masthead_api::meta::Status;
use masthead_api::object::Object;
use masthead_api::patch::apply::{Form, Patched, Validation, patch};
use masthead_api::problem::ProblemKind;
use masthead_api::status;
use masthead_yaml::limits::Limits;
use serde_json::{Value, json};

use crate::clock;
use crate::server::path::{Target, Verb};
use crate::server::query::Query;
use crate::server::selector::is_installed;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::table::{self, Style};
use crate::server::{read, write};

/// Media types of the bodies of creates and updates.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Why an object is not made or changed: as the handlers say it, or as `crates/api` has it.
enum Refusal {
    Failure(Failure),
    Status(Box<Status>),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Failure(failure)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Refusal::Status(Box::new(status))
    }
}

/// An object as it would be, and what is to be told besides.
struct Judged {
    code: StatusCode,
    object: Object,
    warnings: Vec<String>,
}

/// What a request asks for.
struct Asked<'a> {
    state: &'a State,
    kind: Kind,
    target: &'a Target,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    validation: Validation,
}

/// Answers a create, update or patch.
///
/// # Errors
/// 403 with the file to edit; with `dryRun` what Kubernetes would answer.
pub async fn judge(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Failure> {
    let options = match target.verb {
        Verb::Create => "CreateOptions",
        Verb::Patch => "PatchOptions",
        _ => "UpdateOptions",
    };
    if !query.dry_run(options)? {
        return Err(write::refuse(state, kind, target, body));
    }
    let style = read::style(kind, target, query, headers)?;
    let asked = Asked { state, kind, target, headers, body, validation: query.validation(options)? };
    state.settle(None).await?;
    let judged = match target.verb {
        Verb::Create => asked.create(),
        Verb::Patch => asked.patch(),
        _ => asked.update(),
    };
    match judged {
        Ok(judged) => Ok(answer(style, &judged)),
        Err(Refusal::Failure(failure)) => Err(failure),
        Err(Refusal::Status(status)) => Ok(answer_status(&status)),
    }
}

fn answer(style: Style, judged: &Judged) -> Response {
    let mut response = read::json_response(&table::one(style, &judged.object));
    *response.status_mut() = judged.code;
    for warning in &judged.warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        // What no header may hold is left out.
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

fn answer_status(status: &Status) -> Response {
    let code = u16::try_from(status.code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    (code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), axum::Json(status)).into_response()
}

impl Asked<'_> {
    /// The body of a create or an update, brought to its kind, with its strict faults.
    fn manifest(&self) -> Result<(Value, Vec<String>), Refusal> {
        let (mut value, repeated) = match self.media_type("application/json") {
            "application/json" => request::read(self.kind, self.body).map_err(status::bad_request)?,
            "application/yaml" => {
                let read = masthead_yaml::parse::value(self.body, &Limits::default()).map_err(|errors| {
                    let first = errors.first().map(ToString::to_string).unwrap_or_default();
                    status::bad_request(format!("error converting YAML to JSON: {first}"))
                })?;
                (read, Vec::new())
            }
            "application/vnd.kubernetes.protobuf" => {
                (request::read_protobuf(self.kind, self.body).map_err(status::bad_request)?, Vec::new())
            }
            _ => {
                let why = format!(
                    "the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"
                );
                return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", why).into());
            }
        };
        let wanted = self.kind.info().api_version_of(&self.target.version);
        if value.is_object() && value["apiVersion"].as_str().is_none_or(str::is_empty) {
            value["apiVersion"] = wanted.as_str().into();
        }
        if let Some(message) = request::fit_kind(self.kind, &mut value) {
            return Err(status::bad_request(message).into());
        }
        if value["apiVersion"] != wanted {
            let found = value["apiVersion"].as_str().unwrap_or_default();
            let why =
                format!("the API version in the data ({found}) does not match the expected API version ({wanted})");
            return Err(status::bad_request(why).into());
        }
        let mut problems = repeated;
        problems.extend(decode::check(self.kind, &mut value));
        let is_type = problems.iter().any(|problem| problem.kind == ProblemKind::Type);
        if let Some(message) = decode::failure(self.kind, &problems)
            && (is_type || self.validation == Validation::Strict)
        {
            return Err(status::bad_request(message).into());
        }
        Ok((value, decode::strict_faults(&problems)))
    }

    fn media_type(&self, default: &'static str) -> &str {
        let given = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match given.split(';').next().unwrap_or_default().trim() {
            "" => default,
            given => given,
        }
    }

    fn warnings(&self, faults: Vec<String>) -> Vec<String> {
        if self.validation == Validation::Warn { faults } else { Vec::new() }
    }

    fn families(&self) -> admit::families::Families {
        self.state.view.read().network().families()
    }

    /// The object of the path.
    fn live(&self) -> Result<std::sync::Arc<Object>, Refusal> {
        Ok(read::live(self.state, self.kind, self.target)?)
    }

    fn create(&self) -> Result<Judged, Refusal> {
        let (kind, namespace) = (self.kind, self.target.namespace.as_str());
        let (value, faults) = self.manifest()?;
        if let Some(message) = request::fit_name(&value, namespace, None) {
            return Err(status::bad_request(message).into());
        }
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, generated) = (text("/metadata/name"), text("/metadata/generateName"));
        let admitted = admit::create_with(value, namespace, Unknown::Drop, self.families())
            .map_err(|problems| status::refused(kind, &name, &problems))?;
        self.may_create(&name)?;
        let mut cx = clock::context();
        let mut object = admitted.object;
        if name.is_empty() && !generated.is_empty() {
            object["metadata"]["name"] = format!("{generated}{}", cx.ids.suffix()).into();
        }
        object["metadata"]["uid"] = cx.ids.uid().into();
        object["metadata"]["creationTimestamp"] = json!(cx.now);
        // What follows from the uid, as a Job's selector.
        let object = admit::settle(object).map_err(|fault| Failure::internal(fault.message))?;
        let object = Object::from_value(object).map_err(Failure::internal)?;
        Ok(Judged { code: StatusCode::CREATED, object, warnings: self.warnings(faults) })
    }

    /// The namespace is there and stays, and the name is free.
    fn may_create(&self, name: &str) -> Result<(), Refusal> {
        let (kind, namespace) = (self.kind, self.target.namespace.as_str());
        let cluster = self.state.view.read();
        if kind.info().namespaced {
            let found = cluster.get(&ObjectKey::new(NAMESPACE, "", namespace));
            let Some(found) = found else { return Err(Failure::not_found("namespaces", "", namespace).into()) };
            if found.meta().deletion_timestamp.is_some() {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                return Err(status::forbidden(kind, name, &why).into());
            }
        }
        match cluster.get(&ObjectKey::new(kind, namespace, name)) {
            Some(_) => Err(status::already_exists(kind, name).into()),
            None => Ok(()),
        }
    }

    fn update(&self) -> Result<Judged, Refusal> {
        let (value, faults) = self.manifest()?;
        let live = self.live()?;
        self.change(&live, value, faults)
    }

    fn patch(&self) -> Result<Judged, Refusal> {
        let media_type = self.media_type("");
        let Some(form) = Form::of(media_type) else {
            let unsupported = |why: &str| Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", why);
            let apply = "server-side apply is not served: objects of this cluster are applied from its git repository";
            let failure = match media_type {
                "application/apply-patch+yaml" | "application/apply-patch+cbor" => unsupported(apply),
                _ => unsupported("415: Unsupported Media Type").details(json!({})),
            };
            return Err(failure.into());
        };
        if form == Form::Strategic && is_installed(self.kind) {
            // Kubernetes knows of no kind that is installed how its lists merge.
            let why = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", why).into());
        }
        let live = self.live()?;
        let patched = patch(self.kind, &live.value(), form, self.body, self.validation);
        let Patched { object, warnings } = patched.map_err(|error| error.status())?;
        self.change(&live, object, warnings)
    }

    /// What would become of a live object that is to be as this.
    fn change(&self, live: &Object, value: Value, faults: Vec<String>) -> Result<Judged, Refusal> {
        let (kind, name) = (self.kind, self.target.name.as_str());
        if let Some(message) = request::fit_name(&value, &self.target.namespace, Some(name)) {
            return Err(status::bad_request(message).into());
        }
        let given = |field: &str| value["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (uid, revision) = (given("uid"), given("resourceVersion"));
        if !uid.is_empty() && uid != live.meta().uid {
            let why =
                format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", live.meta().uid);
            return Err(status::conflict(kind, name, &why).into());
        }
        if !revision.is_empty() && revision != live.revision().to_string() {
            return Err(status::stale(kind, name).into());
        }
        let admitted = admit::update_with(&live.value(), value, Unknown::Drop, self.families())
            .map_err(|problems| status::refused(kind, name, &problems))?;
        let object = Object::from_value(admitted.object).map_err(Failure::internal)?.at(live.revision());
        Ok(Judged { code: StatusCode::OK, object, warnings: self.warnings(faults) })
    }
}
