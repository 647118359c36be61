//! The access log in a file: each request has its line when the Ingress has ended.

use http::Request;
use http_body_util::Full;
use masthead_agent::ingress::access::To;
use masthead_agent::ingress::options::Options;
use serde_json::Value;

use super::bed::{Bed, Pod, get, patient, send};

#[tokio::test]
async fn each_request_has_a_line_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let pod = Pod::start("one").await;
    let options = Options { access_log: To::File(path.clone()), ..patient() };
    let bed = Bed::start(options, &[pod.place]).await;
    let place = bed.place(false);
    let mut expect = Vec::new();
    for number in 0..20 {
        // Passed on as it is; by hyper; to nobody.
        let plain = get(place, "a.test", &format!("/plain/{number}?q")).await;
        assert_eq!(plain.status, 200);
        let odd = Request::get(format!("/odd/{number}")).header("host", "a.test").header("te", "trailers");
        let odd = send(place, odd.body(Full::default()).unwrap()).await;
        assert_eq!(odd.status, 200);
        assert_eq!(get(place, "b.test", &format!("/none/{number}")).await.status, 404);
        let web = ("n/web", 200);
        expect.push((format!("a.test/plain/{number}"), web, plain.body.len() as u64));
        expect.push((format!("a.test/odd/{number}"), web, odd.body.len() as u64));
        expect.push((format!("b.test/none/{number}"), ("", 404), 0));
    }
    bed.end().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut seen = Vec::new();
    for line in &lines {
        let of = |key: &str| line[key].as_str().unwrap();
        let status = line["status"].as_u64().unwrap();
        assert_eq!(line["pod"].as_str().is_some(), status == 200, "{line}");
        assert_eq!((of("method"), of("client"), &line["tls"]), ("GET", "127.0.0.1", &Value::Bool(false)), "{line}");
        // What a pod has answered; words of the Ingress's own are no pod's.
        seen.push((format!("{}{}", of("host"), of("path")), (of("ingress"), status), line["bytes"].as_u64().unwrap()));
    }
    seen.sort();
    expect.sort();
    assert_eq!(seen, expect);
}
