//! One request at a port of a gateway → its answer: the rule, its filters, the service whose turn it is.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderMap, HeaderValue, LOCATION, ORIGIN};
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use crate::ingress::body::Body;
use crate::ingress::exchange::Exchange;
use crate::ingress::gateway::answer::{is_grpc, refusal};
use crate::ingress::gateway::copies::{TeeBody, tee};
use crate::ingress::gateway::deadline;
use crate::ingress::gateway::matches::Head;
use crate::ingress::gateway::place::{self, At};
use crate::ingress::gateway::table::{Actions, Gateways, Hit, Mirror, Rule, Target};
use crate::ingress::headers;
use crate::ingress::host::{clean_host, host_value};
use crate::ingress::pool::Lease;
use crate::ingress::refusal::Refusal;
use crate::ingress::reply;
use crate::ingress::request::{Request as PodBody, Sent};
use crate::ingress::route::Route;
use crate::ingress::send::{self, Ask, Conn, Found};
use crate::ingress::table::Table;
use crate::ingress::words::shown;

/// Copies of requests that one worker has on their way at a time; more are left out.
const COPIES_MAX: usize = 256;

/// Longer than any other time.
const NEVER: Duration = Duration::from_secs(3600);

thread_local! {
    /// Copies on their way.
    static COPIES: Cell<usize> = const { Cell::new(0) };
}

/// What became of a request.
pub enum Served {
    /// It is answered.
    Done(Response<Body>),
    /// It is no gateway's; Ingresses may have it.
    Other(Box<Request<Incoming>>, Exchange),
}

/// Answers a request when a gateway has it.
pub async fn handle(
    conn: &Conn,
    gateways: &Gateways,
    table: &Table,
    request: Request<Incoming>,
    exchange: Exchange,
) -> Served {
    let authority = host_value(&request);
    let host = authority.as_ref().and_then(|host| host.to_str().ok()).and_then(clean_host);
    let (Some(authority), Some(host)) = (authority.clone(), host) else {
        return Served::Other(Box::new(request), exchange);
    };
    let is_call = is_grpc(request.headers());
    match decide(conn, gateways, table, &host, &request) {
        Decision::Ingress => Served::Other(Box::new(request), exchange),
        Decision::Refuse((status, words)) => Served::Done(refused(conn, (status, words), is_call, exchange)),
        Decision::Serve(hit) => {
            let origin = request.headers().get(ORIGIN).cloned();
            let asked = Asked { conn, hit, host: host.into_owned(), authority, origin, is_call };
            Served::Done(asked.answer(request, exchange).await)
        }
    }
}

enum Decision<'a> {
    Ingress,
    Refuse(Refusal),
    Serve(Hit<'a>),
}

/// Who has a request: at ports of both, whoever names more of its host; an Ingress where both name as much.
fn decide<'a>(
    conn: &Conn,
    gateways: &'a Gateways,
    table: &Table,
    host: &str,
    request: &Request<Incoming>,
) -> Decision<'a> {
    let (port, path) = (conn.client.local_port, request.uri().path());
    let head =
        Head { path, query: request.uri().query(), method: request.method().as_str(), headers: request.headers() };
    let options = &conn.worker.options;
    let is_shared = [options.http_port, options.https_port].contains(&Some(port));
    let hit = gateways.find(port, host, &head);
    if is_shared {
        let ingress = table.find_rule(host, path).map(|(level, _)| level);
        if ingress >= hit.map(|hit| hit.level) && ingress.is_some() {
            return Decision::Ingress;
        }
        if hit.is_none() && table.find(host, path).is_some() {
            return Decision::Ingress;
        }
    }
    if let Some(sni) = conn.sni.as_deref().filter(|_| !is_shared || table.certificate(host).is_none())
        && let (Some((_, of_tls)), Some((_, of_host))) = (gateways.listener(port, sni), gateways.listener(port, host))
        && of_tls.id != of_host.id
    {
        let words = format!("TLS was begun for {:?}, which another listener has", shown(sni));
        return Decision::Refuse((StatusCode::MISDIRECTED_REQUEST, words));
    }
    match hit {
        Some(hit) => Decision::Serve(hit),
        None => {
            let (host, path) = (shown(host), shown(path));
            let words = format!("no route of a Gateway has a rule for host {host:?} and path {path:?}");
            Decision::Refuse((StatusCode::NOT_FOUND, words))
        }
    }
}

fn refused(conn: &Conn, (status, words): Refusal, is_call: bool, mut exchange: Exchange) -> Response<Body> {
    let response = match status == StatusCode::BAD_REQUEST && conn.is_http1 && !is_call {
        true => reply::closing(status, &words),
        false => refusal(status, &words, is_call),
    };
    exchange.status = response.status().as_u16();
    response
}

/// What is changed of a request's headers before it goes out.
#[derive(Clone)]
struct Edits {
    rule: Arc<Rule>,
    target: usize,
    host: Option<HeaderValue>,
}

impl Edits {
    fn apply(&self, headers: &mut HeaderMap) {
        let of_target = self.rule.targets.get(self.target).map(|target| &target.actions);
        for actions in [Some(&self.rule.actions), of_target].into_iter().flatten() {
            actions.request.iter().for_each(|edit| edit.apply(headers));
        }
        if let Some(host) = &self.host {
            headers.insert(HOST, host.clone());
        }
    }
}

struct Asked<'a> {
    conn: &'a Conn,
    hit: Hit<'a>,
    host: String,
    authority: HeaderValue,
    /// The site whose page asks.
    origin: Option<HeaderValue>,
    is_call: bool,
}

impl Asked<'_> {
    async fn answer(&self, request: Request<Incoming>, mut exchange: Exchange) -> Response<Body> {
        let begin = Instant::now();
        let rule = &self.hit.entry.rule;
        exchange.route = Some(rule.route.clone());
        if let Some(response) = preflight(&rule.actions, &request) {
            return ended(response, exchange);
        }
        if let Some(response) = self.redirect(&rule.actions, &request, None) {
            return ended(response, exchange);
        }
        let fault = |route: &Route| {
            let words = route.backend.fault.clone().unwrap_or_default();
            let refusal = (StatusCode::INTERNAL_SERVER_ERROR, words);
            self.edited(refused(self.conn, refusal, self.is_call, Exchange::begin(None)), &[&rule.actions])
        };
        let Some(at) = rule.share.next() else { return ended(fault(&rule.route), exchange) };
        let Some(target) = rule.targets.get(at) else { return ended(fault(&rule.route), exchange) };
        exchange.route = Some(target.route.clone());
        if target.is_invalid {
            return ended(fault(&target.route), exchange);
        }
        if let Some(response) = preflight(&target.actions, &request) {
            return ended(response, exchange);
        }
        if let Some(response) = self.redirect(&target.actions, &request, Some(&rule.actions)) {
            return ended(response, exchange);
        }
        let within = (rule.within_ms > 0).then(|| Duration::from_millis(rule.within_ms));
        let sending = self.send(request, at, target, within);
        let found = match within {
            None => sending.await,
            Some(within) => match timeout_at(begin + within, sending).await {
                Ok(found) => found,
                Err(_) => {
                    let words =
                        format!("{} did not answer within {} ms", target.route.backend.name, within.as_millis());
                    Err((StatusCode::GATEWAY_TIMEOUT, words))
                }
            },
        };
        let response = match found {
            Ok(Found::Pod(answer)) => send::passed_on(self.conn, *answer, exchange).map(|body| match within {
                Some(within) => deadline::until(body, begin + within, within),
                None => body,
            }),
            Ok(Found::Upgraded(mut answer, upgrade)) => {
                self.edit_answer(&[&rule.actions, &target.actions], answer.response.headers_mut());
                return send::upgraded(self.conn, *answer, *upgrade, exchange);
            }
            Err(refusal) => refused(self.conn, refusal, self.is_call, exchange),
        };
        self.edited(response, &[&rule.actions, &target.actions])
    }

    fn edited(&self, mut response: Response<Body>, actions: &[&Actions]) -> Response<Body> {
        self.edit_answer(actions, response.headers_mut());
        response
    }

    fn edit_answer(&self, actions: &[&Actions], headers: &mut HeaderMap) {
        // First what pages may do: a filter of headers may say more.
        actions.iter().filter_map(|one| one.cors.as_ref()).for_each(|cors| cors.apply(self.origin.as_ref(), headers));
        actions.iter().filter_map(|one| one.response.as_ref()).for_each(|edit| edit.apply(headers));
    }

    /// The answer of a redirect, when there is one.
    fn redirect(
        &self,
        actions: &Actions,
        request: &Request<Incoming>,
        outer: Option<&Actions>,
    ) -> Option<Response<Body>> {
        let redirect = actions.redirect.as_ref()?;
        let client = &self.conn.client;
        let at = At {
            host: &self.host,
            path: request.uri().path(),
            query: request.uri().query(),
            is_tls: client.is_tls,
            port: client.local_port,
            prefix: self.hit.entry.matched.prefix(),
        };
        let status = redirect.status_code.and_then(|code| u16::try_from(code).ok());
        let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FOUND);
        let location = place::location(redirect, &at);
        let response = match HeaderValue::from_str(&location) {
            Ok(location) => {
                let mut response = reply::text(status, "this is served elsewhere");
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Err(_) => reply::text(StatusCode::BAD_REQUEST, "the request's path can't be sent back"),
        };
        let all: Vec<&Actions> = outer.into_iter().chain([actions]).collect();
        Some(self.edited(response, &all))
    }

    async fn send(
        &self,
        request: Request<Incoming>,
        at: usize,
        target: &Target,
        within: Option<Duration>,
    ) -> Result<Found, Refusal> {
        let (rule, worker) = (&self.hit.entry.rule, &self.conn.worker);
        let is_upgrade = headers::upgrade(request.headers()).is_some();
        let (mut parts, body) = request.into_parts();
        let host = self.rewrite(&mut parts, &[&rule.actions, &target.actions])?;
        let edits = Edits { rule: rule.clone(), target: at, host };
        let sent = Sent::default();
        let body = PodBody::new(body, worker.options.stall, sent.clone());
        let all = rule.actions.mirrors.iter().chain(&target.actions.mirrors);
        let mirrors: Vec<&Mirror> =
            all.filter(|mirror| !is_upgrade && mirror.takes() && mirror.backend.fault.is_none()).collect();
        let (body, copies) = tee(body, mirrors.len());
        for (mirror, copy) in mirrors.into_iter().zip(copies) {
            self.copy(&parts, copy, mirror, edits.clone());
        }
        let body = match body {
            TeeBody::Plain(body) => body,
            TeeBody::Made(body) => PodBody::Any(body, sent.clone()),
        };
        let edit = |headers: &mut HeaderMap| edits.apply(headers);
        // Where the rule has a time of its own, it is the only one: `answer` watches it.
        let response = within.map_or(worker.options.response, |within| within.saturating_add(NEVER));
        let ask = Ask { edit: Some(&edit), response };
        let request = Request::from_parts(parts, body);
        send::send(self.conn, request, &sent, &target.route.backend, self.authority.clone(), &ask).await
    }

    /// Puts another path in a request; gives the host that is to be sent.
    fn rewrite(&self, parts: &mut request::Parts, all: &[&Actions]) -> Result<Option<HeaderValue>, Refusal> {
        let mut host = None;
        for rewrite in all.iter().filter_map(|actions| actions.rewrite.as_ref()) {
            if let Some(name) = &rewrite.hostname {
                host = HeaderValue::from_str(name).ok();
            }
            let Some(modifier) = &rewrite.path else { continue };
            let path = place::path(modifier, parts.uri.path(), self.hit.entry.matched.prefix());
            let whole = place::with_query(&path, parts.uri.query());
            let whole = PathAndQuery::try_from(whole);
            let words = || (StatusCode::INTERNAL_SERVER_ERROR, "the rule gives the request no path".to_owned());
            parts.uri = Uri::from(whole.map_err(|_| words())?);
        }
        Ok(host)
    }

    /// Sends a copy of a request; nobody waits for its answer.
    fn copy(&self, parts: &request::Parts, body: TeeBody, mirror: &Mirror, edits: Edits) {
        if COPIES.get() >= COPIES_MAX {
            return tracing::debug!(service = mirror.backend.name, "too many copies of requests; one is left out");
        }
        let sent = Sent::default();
        let body = match body {
            TeeBody::Plain(body) => body,
            TeeBody::Made(body) => PodBody::Any(body, sent.clone()),
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&parts.method);
        request.uri_mut().clone_from(&parts.uri);
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        let (worker, client) = (self.conn.worker.clone(), self.conn.client.clone());
        let conn = Conn { worker, client, sni: None, is_http1: false, shared: Arc::default() };
        let (backend, authority) = (mirror.backend.clone(), self.authority.clone());
        let count = Counted::new();
        tokio::task::spawn_local(async move {
            let _count = count;
            let options = conn.worker.options.clone();
            let edit = |headers: &mut HeaderMap| edits.apply(headers);
            let ask = Ask { edit: Some(&edit), response: options.response };
            match send::send(&conn, request, &sent, &backend, authority, &ask).await {
                Ok(Found::Pod(answer)) => {
                    let mut incoming = answer.response.into_body();
                    let read = async { while let Some(Ok(_)) = incoming.frame().await {} };
                    if timeout(options.response, read).await.is_ok() {
                        answer.lease.into_iter().for_each(Lease::give_back);
                    }
                }
                Ok(Found::Upgraded(..)) => {}
                Err((_, why)) => tracing::debug!(why, "a copy of a request had no answer"),
            }
        });
    }
}

/// A copy on its way, counted as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        COPIES.set(COPIES.get() + 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COPIES.set(COPIES.get().saturating_sub(1));
    }
}

/// The answer to a browser that asks whether a page may send its request.
fn preflight(actions: &Actions, request: &Request<Incoming>) -> Option<Response<Body>> {
    actions.cors.as_ref()?.preflight(request.method(), request.headers())
}

/// Notes the status of an answer of our own.
fn ended(response: Response<Body>, mut exchange: Exchange) -> Response<Body> {
    exchange.status = response.status().as_u16();
    response
}
