//! Compiles the `.proto` files with protox, a protoc in Rust. A build does not need an installed protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["chat/v1/chat.proto", "notification/v1/notification.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
