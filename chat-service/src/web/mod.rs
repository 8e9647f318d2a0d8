//! The web client: its files, which are embedded into the program, or read from a folder during development.

#[cfg(test)]
mod comments;
mod files;
pub(crate) mod http;
mod imports;
mod policy;

use std::{borrow::Cow, fs, io, path::PathBuf};

use actix_web::web::{Bytes, block};

use crate::config::WebClient;

/// A file that the build script has embedded.
struct Embedded {
    path: &'static str,
    media_type: &'static str,
    hash: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
}

/// All embedded files, by path.
static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// A file of the client, ready to be sent.
struct File {
    media_type: &'static str,
    /// Identifies the content.
    hash: Cow<'static, str>,
    bytes: Bytes,
    /// The compressed content, if it is smaller.
    gzip: Option<Bytes>,
}

/// The files of the web client.
#[derive(Clone, Debug)]
pub(crate) enum Web {
    Embedded,
    Folder(PathBuf),
}

impl Web {
    /// Returns the files that the settings name. Returns `None` if the client is off.
    pub(crate) fn of(settings: WebClient) -> Option<Self> {
        match settings {
            WebClient::Off => None,
            WebClient::Embedded => Some(Self::Embedded),
            WebClient::Folder(folder) => {
                tracing::info!(web.folder = %folder.display(), "web client is read from disk");
                Some(Self::Folder(folder))
            }
        }
    }

    /// Returns the file with this path.
    async fn file(&self, path: &str) -> io::Result<Option<File>> {
        match self {
            Self::Embedded => Ok(embedded(path)),
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), path.to_owned());
                block(move || read(&folder, &path)).await.map_err(io::Error::other)?
            }
        }
    }
}

fn embedded(path: &str) -> Option<File> {
    let place = EMBEDDED.binary_search_by_key(&path, |file| file.path).ok()?;
    let file = EMBEDDED.get(place)?;
    Some(File {
        media_type: file.media_type,
        hash: file.hash.into(),
        bytes: Bytes::from_static(file.bytes),
        gzip: file.gzip.map(Bytes::from_static),
    })
}

/// Reads a file of a folder. The path of a request is only looked up among those that were found in the folder, so no path leads out
/// of it.
fn read(folder: &std::path::Path, path: &str) -> io::Result<Option<File>> {
    let (media_type, bytes) = if [files::PAGE, files::WORKER].contains(&path) {
        // They depend on all other files.
        let Some(content) = files::read(folder, str::to_owned)?.remove(path) else { return Ok(None) };
        (content.media_type, content.bytes)
    } else {
        let Some(source) = files::find(folder)?.remove(path) else { return Ok(None) };
        (source.media_type, fs::read(source.file)?)
    };
    Ok(Some(File { media_type, hash: files::hash([bytes.as_slice()]).into(), bytes: bytes.into(), gzip: None }))
}
