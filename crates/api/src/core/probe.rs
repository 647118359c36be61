//! Probes, lifecycle hooks and their actions.

use crate::intstr::IntOrString;
use crate::schema::object::object;

object! {
    /// A check of a container, its rhythm and its thresholds.
    pub struct Probe {
        exec: Option<ExecAction> = "exec", 1, [omitempty, within(1)];
        http_get: Option<HTTPGetAction> = "httpGet", 2, [omitempty, within(1)];
        tcp_socket: Option<TCPSocketAction> = "tcpSocket", 3, [omitempty, within(1)];
        grpc: Option<GRPCAction> = "grpc", 4, [omitempty, within(1)];
        initial_delay_seconds: i32 = "initialDelaySeconds", 2, [omitempty];
        timeout_seconds: i32 = "timeoutSeconds", 3, [omitempty];
        period_seconds: i32 = "periodSeconds", 4, [omitempty];
        success_threshold: i32 = "successThreshold", 5, [omitempty];
        failure_threshold: i32 = "failureThreshold", 6, [omitempty];
        termination_grace_period_seconds: Option<i64> = "terminationGracePeriodSeconds", 7, [omitempty];
    }

    /// A command run in the container.
    pub struct ExecAction {
        command: Vec<String> = "command", 1, [omitempty, list_atomic];
    }

    /// An HTTP GET to the container.
    pub struct HTTPGetAction {
        path: String = "path", 1, [omitempty];
        port: IntOrString = "port", 2, [];
        host: String = "host", 3, [omitempty];
        scheme: String = "scheme", 4, [omitempty, go("v1.URIScheme")];
        http_headers: Vec<HTTPHeader> = "httpHeaders", 5, [omitempty, list_atomic];
    }

    /// A header of a probe's request.
    pub struct HTTPHeader {
        name: String = "name", 1, [];
        value: String = "value", 2, [];
    }

    /// A TCP connection to the container.
    pub struct TCPSocketAction {
        port: IntOrString = "port", 1, [];
        host: String = "host", 2, [omitempty];
    }

    /// A call of the gRPC health service.
    pub struct GRPCAction {
        port: i32 = "port", 1, [];
        service: Option<String> = "service", 2, [optional];
    }

    /// What runs right after start and right before stop.
    pub struct Lifecycle {
        post_start: Option<LifecycleHandler> = "postStart", 1, [omitempty];
        pre_stop: Option<LifecycleHandler> = "preStop", 2, [omitempty];
        stop_signal: Option<String> = "stopSignal", 3, [omitempty, go("v1.Signal")];
    }

    /// One action of a lifecycle hook; exactly one is set.
    pub struct LifecycleHandler {
        exec: Option<ExecAction> = "exec", 1, [omitempty];
        http_get: Option<HTTPGetAction> = "httpGet", 2, [omitempty];
        tcp_socket: Option<TCPSocketAction> = "tcpSocket", 3, [omitempty];
        sleep: Option<SleepAction> = "sleep", 4, [omitempty];
    }

    /// A pause.
    pub struct SleepAction {
        seconds: i64 = "seconds", 1, [];
    }
}
