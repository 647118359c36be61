//! A probe's action and the pod's address → what exactly is asked.

use masthead_api::core::container::Container;
use masthead_api::core::probe::HTTPGetAction;
use masthead_api::intstr::IntOrString;

/// Why a probe can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No port of the container has the name.
    #[error("couldn't find port: {0:?}")]
    NoPort(String),
    /// A number that is no port.
    #[error("invalid port number: {0}")]
    BadPort(i32),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The whole address.
    pub url: String,
    /// Host and port of it.
    pub address: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// A port by its number or by its name.
///
/// # Errors
/// There is none.
pub fn port(port: &IntOrString, container: &Container) -> Result<u16, Error> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => match container.ports.iter().find(|port| port.name == *name) {
            Some(port) => port.container_port,
            // The kubelet takes a number in quotes too.
            None => name.parse().map_err(|_| Error::NoPort(name.clone()))?,
        },
    };
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(Error::BadPort(number))
}

/// An address as it stands in a URL.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The request of an HTTP action.
///
/// # Errors
/// Its port is none.
pub fn http(get: &HTTPGetAction, container: &Container, pod_ip: &str) -> Result<Http, Error> {
    let port = port(&get.port, container)?;
    let host = if get.host.is_empty() { pod_ip } else { &get.host };
    let scheme = if get.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
    let slash = if get.path.starts_with('/') { "" } else { "/" };
    let mut headers: Vec<(String, String)> =
        get.http_headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect();
    let has =
        |name: &str, headers: &[(String, String)]| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    for (name, value) in [("User-Agent", "kube-probe/1.32"), ("Accept", "*/*")] {
        if !has(name, &headers) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    // An empty value takes the header away.
    headers.retain(|(_, value)| !value.is_empty());
    let address = host_port(host, port);
    Ok(Http { url: format!("{scheme}://{address}{slash}{}", get.path), address, headers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_api::core::container::ContainerPort;
    use masthead_api::core::probe::HTTPHeader;

    #[test]
    fn what_is_asked() {
        let web = ContainerPort { name: "web".into(), container_port: 8080, ..ContainerPort::default() };
        let container = Container { ports: vec![web], ..Container::default() };
        let check = |get: HTTPGetAction, expect: Result<&str, Error>| {
            assert_eq!(
                http(&get, &container, "10.0.0.1").map(|http| http.url).as_deref(),
                expect.as_ref().map(|url| *url)
            );
        };
        let get = |port: IntOrString, path: &str| HTTPGetAction { port, path: path.into(), ..HTTPGetAction::default() };
        let text = |name: &str| IntOrString::String(name.into());
        check(get(text("web"), "/healthz"), Ok("http://10.0.0.1:8080/healthz"));
        check(get(text("81"), ""), Ok("http://10.0.0.1:81/"));
        check(get(IntOrString::Int(80), "a?b=c"), Ok("http://10.0.0.1:80/a?b=c"));
        check(
            HTTPGetAction { scheme: "HTTPS".into(), host: "fd00::1".into(), ..get(IntOrString::Int(443), "/") },
            Ok("https://[fd00::1]:443/"),
        );
        check(get(text("none"), "/"), Err(Error::NoPort("none".into())));
        check(get(IntOrString::Int(0), "/"), Err(Error::BadPort(0)));
        check(get(IntOrString::Int(70_000), "/"), Err(Error::BadPort(70_000)));
        let own = HTTPHeader { name: "user-agent".into(), value: "me".into() };
        let none = HTTPHeader { name: "Accept".into(), value: String::new() };
        let headers =
            http(&HTTPGetAction { http_headers: vec![own, none], ..get(IntOrString::Int(80), "/") }, &container, "h")
                .unwrap()
                .headers;
        assert_eq!(headers, [("user-agent".to_owned(), "me".to_owned())]);
    }
}
