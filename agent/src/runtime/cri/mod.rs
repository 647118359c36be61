//! The contract over gRPC: containerd and CRI-O as a client, the embedded runtime as a server.
