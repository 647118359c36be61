//! One request → its answer: the route, the pod, and what is said when there is none.

use http::header::{HeaderValue, LOCATION};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::ingress::access::Line;
use crate::ingress::body::Body;
use crate::ingress::exchange::Exchange;
use crate::ingress::gateway::serve::{self as gateway, Served};
use crate::ingress::headers;
use crate::ingress::host::{clean_host, has_dot_segment, host_text, host_value};
use crate::ingress::refusal::{Refusal, bad};
use crate::ingress::reply;
use crate::ingress::request::{Request as PodBody, Sent};
use crate::ingress::send::{Ask, Conn, Found, send, upgraded};
use crate::ingress::table::Table;
use crate::ingress::words::shown;

/// Answers a request.
pub async fn handle(conn: &Conn, request: Request<Incoming>) -> Response<Body> {
    let exchange = begin(conn, &request);
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
        Ok(Answered::Found(Found::Pod(answer))) => {
            let (mut parts, incoming) = answer.response.into_parts();
            headers::strip_hop_by_hop(&mut parts.headers);
            parts.version = Version::HTTP_11;
            exchange.status = parts.status.as_u16();
            exchange.pod = Some(answer.address);
            exchange.busy = Some(answer.busy);
            let body = Body::pod(incoming, answer.lease, exchange, conn.worker.options.stall);
            return Response::from_parts(parts, body);
        }
        Ok(Answered::Found(Found::Upgraded(answer, upgrade))) => return upgraded(conn, *answer, *upgrade, exchange),
        Ok(Answered::Redirect(location)) => {
            let mut response = reply::text(StatusCode::PERMANENT_REDIRECT, "this is served by HTTPS");
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err((status, words)) if status == StatusCode::BAD_REQUEST && conn.guard.is_some() => {
            reply::closing(status, &words)
        }
        Err((status, words)) => reply::text(status, &words),
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
    Exchange::guarded(log.is_read().then(line), conn.guard.clone())
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
    if has_dot_segment(path) {
        return Err(bad("the request's path has \".\" or \"..\" as a part"));
    }
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
