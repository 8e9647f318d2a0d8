//! Embeds the web client, and makes cargo rebuild the crate when a migration changes, because the migrations are embedded.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use flate2::{Compression, write::GzEncoder};

#[path = "src/web/comments.rs"]
mod comments;
#[path = "src/web/files.rs"]
mod files;
#[path = "src/web/imports.rs"]
mod imports;

/// The files of the client and those of the SDK, which [`files::find`] finds from there.
const WEB: &str = "../web";
const SDK: &str = "../sdk/js/src";

fn main() -> ExitCode {
    for path in ["migrations", WEB, SDK] {
        println!("cargo::rerun-if-changed={path}");
    }
    match embed(Path::new(WEB)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the web client cannot be embedded: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `web.rs`, a sorted list of files, and beside it their contents.
fn embed(web: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a variable of cargo, and no setting")]
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let mut list = String::from("&[\n");
    for (n, (path, content)) in files::read(web, comments::without_comments)?.into_iter().enumerate() {
        let hash = files::hash([content.bytes.as_slice()]);
        let include = |extension: &str| format!(r#"include_bytes!(concat!(env!("OUT_DIR"), "/web-{n}.{extension}"))"#);
        fs::write(out.join(format!("web-{n}.raw")), &content.bytes)?;
        let gzip = gzip(&content.bytes)?;
        let gzip = if gzip.len() < content.bytes.len() {
            fs::write(out.join(format!("web-{n}.gz")), gzip)?;
            format!("Some({})", include("gz"))
        } else {
            // A picture or a font, which is compressed already.
            "None".to_owned()
        };
        let _ = writeln!(
            list,
            "    Embedded {{ path: {path:?}, media_type: {:?}, hash: {hash:?}, bytes: {}, gzip: {gzip} }},",
            content.media_type,
            include("raw"),
        );
    }
    list.push(']');
    fs::write(out.join("web.rs"), list)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
