//! Probes and lifecycle hooks to faults.

use crate::core::probe::{
    ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use crate::intstr::IntOrString;
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;

/// The actions that a probe and a hook have between them.
#[derive(Clone, Copy, Default)]
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<&'a SleepAction>,
}

/// Which of a container's probes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Restarts the container.
    Liveness,
    /// Takes the pod out of service.
    Readiness,
    /// Holds the others back until the container has started.
    Startup,
}

/// A probe, when there is one.
pub fn validate_probe(path: &Path<'_>, probe: Option<&Probe>, role: Role, errors: &mut Errors) {
    let Some(probe) = probe else { return };
    let handler = Handler {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref(),
        sleep: None,
    };
    validate_handler(path, handler, None, errors);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.non_negative(&path.child(field), i64::from(value));
    }
    let grace = path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = probe.termination_grace_period_seconds
        && seconds <= 0
    {
        errors.invalid(&grace, &seconds, "must be greater than 0");
    }
    if role == Role::Readiness {
        if let Some(seconds) = probe.termination_grace_period_seconds {
            errors.invalid(&grace, &seconds, "must not be set for readinessProbes");
        }
    } else if probe.success_threshold != 1 {
        errors.invalid(&path.child("successThreshold"), &probe.success_threshold, "must be 1");
    }
}

/// Lifecycle hooks of a container whose pod has so many seconds to stop.
pub fn validate_lifecycle(path: &Path<'_>, lifecycle: &Lifecycle, grace_s: Option<i64>, errors: &mut Errors) {
    for (field, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
        if let Some(hook) = hook {
            validate_handler(&path.child(field), handler_of(hook), grace_s, errors);
        }
    }
}

fn handler_of(hook: &LifecycleHandler) -> Handler<'_> {
    Handler {
        exec: hook.exec.as_ref(),
        http_get: hook.http_get.as_ref(),
        tcp_socket: hook.tcp_socket.as_ref(),
        grpc: None,
        sleep: hook.sleep.as_ref(),
    }
}

fn validate_handler(path: &Path<'_>, handler: Handler<'_>, grace_s: Option<i64>, errors: &mut Errors) {
    let mut count = 0;
    let mut first = |field: &'static str, errors: &mut Errors| {
        count += 1;
        if count > 1 {
            errors.forbidden(&path.child(field), "may not specify more than 1 handler type");
        }
        count == 1
    };
    if let Some(exec) = handler.exec
        && first("exec", errors)
        && exec.command.is_empty()
    {
        errors.required(&path.child("exec").child("command"), "");
    }
    if let Some(http) = handler.http_get
        && first("httpGet", errors)
    {
        validate_http(&path.child("httpGet"), http, errors);
    }
    if let Some(tcp) = handler.tcp_socket
        && first("tcpSocket", errors)
    {
        validate_port(&path.child("tcpSocket").child("port"), &tcp.port, errors);
    }
    if let Some(grpc) = handler.grpc
        && first("grpc", errors)
    {
        errors.port(&path.child("grpc").child("port"), grpc.port);
    }
    if let Some(sleep) = handler.sleep
        && first("sleep", errors)
        && let Some(grace) = grace_s
        && !(0..=grace).contains(&sleep.seconds)
    {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(&path.child("sleep"), &sleep.seconds, &detail);
    }
    if count == 0 {
        errors.required(path, "must specify a handler type");
    }
}

fn validate_http(path: &Path<'_>, http: &HTTPGetAction, errors: &mut Errors) {
    errors.required_text(&path.child("path"), &http.path);
    validate_port(&path.child("port"), &http.port, errors);
    errors.one_of(&path.child("scheme"), &http.scheme, &["HTTP", "HTTPS"]);
    for header in &http.http_headers {
        errors.invalid_each(&path.child("httpHeaders"), &header.name, name::http_header(&header.name));
    }
}

/// A port by number or by name.
pub fn validate_port(path: &Path<'_>, port: &IntOrString, errors: &mut Errors) {
    match port {
        IntOrString::Int(port) => errors.port(path, *port),
        IntOrString::String(text) => errors.invalid_each(path, text, name::port_name(text)),
    }
}
