//! Turns `proto/masthead.proto` into the Rust messages, client and server of the channel.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/masthead.proto");
    let descriptors = protox::compile(["proto/masthead.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // The channel is made in `src/channel.rs`; a method `connect` would clash with the rpc of that name.
        .build_transport(false)
        .bytes(".")
        .btree_map(".")
        // What may hold a token or a Secret's value prints no value: `src/pb.rs` has the Debug.
        .skip_debug([
            ".masthead.wire.v1.JoinRequest",
            ".masthead.wire.v1.ManifestPart",
            ".masthead.wire.v1.Attachment",
            ".masthead.wire.v1.Recalled",
            ".masthead.wire.v1.Frame",
        ])
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
