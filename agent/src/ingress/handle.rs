//! One request → its answer: the route, the pod, and what is said when there is none.

use http::header::{HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::ingress::access::Line;
use crate::ingress::body::Body;
use crate::ingress::exchange::Exchange;
use crate::ingress::gateway::serve::{self as gateway, Served};
use crate::ingress::host::{clean_host, has_dot_segment, host_text, host_value};
use crate::ingress::refusal::{Refusal, bad};
use crate::ingress::reply;
use crate::ingress::request::{Request as PodBody, Sent};
use crate::ingress::send::{Ask, Conn, Found, passed_on, send, upgraded};
use crate::ingress::table::Table;
use crate::ingress::words::shown;

/// Answers a request.
pub async fn handle(conn: &Conn, request: Request<Incoming>) -> Response<Body> {
    let mut exchange = begin(conn, &request);
    if let Some(refusal) = doubt(request.method(), request.uri().path()) {
        let response = refused(conn, refusal);
        exchange.status = response.status().as_u16();
        return response;
    }
    let table = conn.worker.table();
    let of_gateways = table.gateways.as_ref().filter(|gateways| gateways.claims(conn.client.local_port));
    let (request, mut exchange) = match of_gateways {
        None => (request, exchange),
        // What is large and not of every request is kept apart.
        Some(gateways) => match Box::pin(gateway::handle(conn, gateways, &table, request, exchange)).await {
            Served::Done(response) => return response,
            Served::Other(request, exchange) => (*request, exchange),
        },
    };
    let response = match answer(conn, &table, request, &mut exchange).await {
        Ok(Answered::Found(Found::Pod(answer))) => return passed_on(conn, *answer, exchange),
        Ok(Answered::Found(Found::Upgraded(answer, upgrade))) => return upgraded(conn, *answer, *upgrade, exchange),
        Ok(Answered::Redirect(location)) => {
            let mut response = reply::text(StatusCode::PERMANENT_REDIRECT, "this is served by HTTPS");
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(refusal) => refused(conn, refusal),
    };
    exchange.status = response.status().as_u16();
    response
}

fn begin(conn: &Conn, request: &Request<Incoming>) -> Exchange {
    let (log, client) = (&conn.worker.log, &conn.client);
    let line = || {
        let how = (request.method().clone(), request.version());
        let line = Line::new(log.clone(), (client.ip, client.is_tls), how);
        Box::new(line.of(&host_text(request), request.uri().path()))
    };
    Exchange::shared(log.is_read().then(line), conn.shared.clone())
}

/// Why no pod gets a request for such a target (RFC 9112, 3.2): what is no path could mean another host to it.
fn doubt(method: &Method, path: &str) -> Option<Refusal> {
    if *method == Method::CONNECT {
        return Some((StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported".to_owned()));
    }
    if !path.starts_with('/') && (path, method) != ("*", &Method::OPTIONS) {
        return Some(bad("the request's target is no path"));
    }
    has_dot_segment(path).then(|| bad("the request's path has \".\" or \"..\" as a part"))
}

fn refused(conn: &Conn, (status, words): Refusal) -> Response<Body> {
    match status == StatusCode::BAD_REQUEST && conn.is_http1 {
        true => reply::closing(status, &words),
        false => reply::text(status, &words),
    }
}

enum Answered {
    Found(Found),
    /// Another place.
    Redirect(HeaderValue),
}

async fn answer(
    conn: &Conn,
    table: &Table,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answered, Refusal> {
    let (options, client) = (&conn.worker.options, &conn.client);
    let authority = host_value(&request).ok_or_else(|| bad("the request must name one host"))?;
    let text = authority.to_str().map_err(|_| bad("the request's host can't be read"))?;
    let host = clean_host(text).ok_or_else(|| bad("the request's host can't be read"))?;
    let path = request.uri().path();
    let Some(route) = table.find(&host, path) else {
        let words = format!("no Ingress has a rule for host {:?} and path {:?}", shown(&host), shown(path));
        return Err((StatusCode::NOT_FOUND, words));
    };
    exchange.route = Some(route.clone());
    if route.to_https && !client.is_tls {
        let rest = request.uri().path_and_query().map_or("/", |rest| rest.as_str());
        let port = options.public_https_port;
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        let location = HeaderValue::from_str(&format!("https://{host}{port}{rest}"));
        return Ok(Answered::Redirect(location.map_err(|_| bad("the request's host can't be read"))?));
    }
    let backend = route.backend.clone();
    let sent = Sent::default();
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, PodBody::new(body, options.stall, sent.clone()));
    let ask = Ask { edit: None, response: options.response };
    send(conn, request, &sent, &backend, authority, &ask).await.map(Answered::Found)
}
