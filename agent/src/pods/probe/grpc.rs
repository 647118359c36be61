//! A gRPC health service → whether it says that it serves (`grpc.health.v1.Health/Check`).

use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::pods::probe::http::Failed;

/// The service's request.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// The service's answer.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// Asks the service at an address.
///
/// # Errors
/// It does not serve, or not in time.
pub async fn check(address: &str, service: &str, timeout: Duration) -> Result<(), Failed> {
    match tokio::time::timeout(timeout, ask(address, service)).await {
        Err(_) => Err(Failed(format!(
            "timeout: failed to connect service {address:?} within {}s: context deadline exceeded",
            timeout.as_secs()
        ))),
        Ok(Ok(ServingStatus::Serving)) => Ok(()),
        Ok(Ok(status)) => {
            let name = match status {
                ServingStatus::NotServing => "NOT_SERVING",
                ServingStatus::ServiceUnknown => "SERVICE_UNKNOWN",
                _ => "UNKNOWN",
            };
            Err(Failed(format!("service unhealthy (responded with {name:?})")))
        }
        Ok(Err(status)) if status.code() == Code::Unimplemented => Err(Failed(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
            status.message()
        ))),
        Ok(Err(status)) => Err(Failed(format!("error: health rpc probe failed: {}", status.message()))),
    }
}

async fn ask(address: &str, service: &str) -> Result<ServingStatus, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let endpoint =
        endpoint.user_agent("kube-probe/1.32").map_err(|error| Status::invalid_argument(error.to_string()))?;
    let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let request = Request::new(HealthCheckRequest { service: service.to_owned() });
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec: ProstCodec<HealthCheckRequest, HealthCheckResponse> = ProstCodec::default();
    let answer = client.unary(request, path, codec).await?;
    Ok(ServingStatus::try_from(answer.into_inner().status).unwrap_or(ServingStatus::Unknown))
}
