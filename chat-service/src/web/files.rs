//! The files of the web client, as they are served. The build script compiles this file as well.
//!
//! Files keep their names. Embedded modules lose their comments, and two files are completed here: `index.html` gets links to the modules
//! that the page needs at start, and `sw.js` the list of all files with their hashes, and a hash of all.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::imports;

/// The page.
pub(crate) const PAGE: &str = "/index.html";

/// The service worker.
pub(crate) const WORKER: &str = "/sw.js";

/// Where the SDK is, from the folder of the client. Its files are served below `/sdk`.
const SDK: &str = "../sdk/js/src";

/// What the page has where the links to modules belong.
const MODULES: &str = "<!-- modulepreload -->";

/// What the service worker may have in place of the hash of all files, and of the items of a list of their paths and hashes.
const BUILD: &str = "__BUILD__";
const FILES: &str = "'__FILES__'";

/// Folders and files that are not served, though their types are. `node` has what the SDK has for Node.js alone.
const LEFT_OUT: [&str; 8] =
    ["check", "node", "node_modules", "test", "tests", "package.json", "package-lock.json", "vendor.json"];

/// What is served as it is: the comments of libraries have their licences.
const LIBRARIES: &str = "/vendor/";

/// The type of modules, and of the service worker.
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The type of the page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The types of served files by extension. Files of other types, such as `.d.ts` and `.md`, are left out.
const MEDIA_TYPES: [(&str, &str); 12] = [
    ("css", "text/css; charset=utf-8"),
    ("html", HTML),
    ("ico", "image/x-icon"),
    ("jpg", "image/jpeg"),
    ("js", JAVASCRIPT),
    ("json", "application/json"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
];

/// A file of the client on disk.
pub(crate) struct Source {
    /// What its content is.
    pub(crate) media_type: &'static str,
    /// Where it is.
    pub(crate) file: PathBuf,
}

/// A file of the client as it is served.
pub(crate) struct Content {
    /// What it is.
    pub(crate) media_type: &'static str,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Finds the files of a client by the paths under which they are served. Links are not followed, so nothing outside of the two folders
/// is found.
///
/// # Errors
/// A folder cannot be read, or two files have the same path.
pub(crate) fn find(web: &Path) -> io::Result<BTreeMap<String, Source>> {
    let mut found = BTreeMap::new();
    find_in(web, "", &mut found)?;
    find_in(&web.join(SDK), "/sdk", &mut found)?;
    Ok(found)
}

fn find_in(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Source>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(named)? {
        let entry = entry.map_err(named)?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_served(name)).map(str::to_owned) else { continue };
        let (path, kind) = (format!("{prefix}/{name}"), entry.file_type().map_err(named)?);
        if kind.is_dir() {
            find_in(&entry.path(), &path, found)?;
        } else if kind.is_file()
            && let Some(media_type) = media_type(&name)
        {
            match found.entry(path) {
                Entry::Vacant(entry_of_path) => {
                    entry_of_path.insert(Source { media_type, file: entry.path() });
                }
                Entry::Occupied(other) => {
                    return Err(io::Error::other(format!("two files are served as {}", other.key())));
                }
            }
        }
    }
    Ok(())
}

/// Returns whether a name is not left out, and is the same in a URL.
fn is_served(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !LEFT_OUT.contains(&name) && !name.starts_with("tsconfig") && !name.starts_with('.') && name.chars().all(is_plain)
}

fn media_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    MEDIA_TYPES.into_iter().find(|(known, _)| *known == extension).map(|(_, media_type)| media_type)
}

/// Reads all files of a client, edits the modules, and completes the page and the service worker.
///
/// # Errors
/// A file cannot be read, the page has no place for the links to modules, or a module imports what is not served.
pub(crate) fn read(web: &Path, edit: fn(&str) -> String) -> io::Result<BTreeMap<String, Content>> {
    let read = |(path, Source { media_type, file }): (String, Source)| {
        let mut bytes = fs::read(file)?;
        if media_type == JAVASCRIPT && !path.starts_with(LIBRARIES) {
            bytes = edit(text(&path, &bytes)?).into_bytes();
        }
        Ok((path, Content { media_type, bytes }))
    };
    let mut files = find(web)?.into_iter().map(read).collect::<io::Result<BTreeMap<_, _>>>()?;
    let build = hash(files.iter().flat_map(|(path, content)| [path.as_bytes(), &content.bytes]));
    let modules = imports::needed_at_start(&modules(&files)?).map_err(io::Error::other)?;
    let no_page = || io::Error::other(format!("the client has no {PAGE} with the line {MODULES}"));
    let page = files.get_mut(PAGE).ok_or_else(no_page)?;
    let links: Vec<_> = modules.iter().map(|path| format!(r#"<link rel="modulepreload" href="{path}">"#)).collect();
    let (before, after) = text(PAGE, &page.bytes)?.split_once(MODULES).ok_or_else(no_page)?;
    page.bytes = [before, &links.join("\n"), after].concat().into_bytes();
    // As they are served: their ETags contain the same hashes.
    let served = files.iter().filter(|(path, _)| *path != WORKER);
    let list: Vec<_> = served.map(|(path, content)| format!("['{path}', '{}']", hash([&*content.bytes]))).collect();
    if let Some(worker) = files.get_mut(WORKER) {
        let completed = text(WORKER, &worker.bytes)?.replace(BUILD, &build).replace(FILES, &list.join(", "));
        worker.bytes = completed.into_bytes();
    }
    Ok(files)
}

/// Returns the sources of all modules.
fn modules(files: &BTreeMap<String, Content>) -> io::Result<BTreeMap<&str, &str>> {
    let modules = files.iter().filter(|(_, content)| content.media_type == JAVASCRIPT);
    modules.map(|(path, content)| Ok((path.as_str(), text(path, &content.bytes)?))).collect()
}

fn text<'a>(path: &str, bytes: &'a [u8]) -> io::Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| io::Error::other(format!("{path} is not UTF-8")))
}

/// Returns a hash of some byte strings, as 32 hexadecimal digits: half of a SHA-256, since nobody gains by two files with one hash.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // With the length, so that the limits of the parts count.
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let half = hasher.finalize().iter().take(16).fold(0, |half: u128, byte| half << 8 | u128::from(*byte));
    format!("{half:032x}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// Makes a client of these files in `web` of a new folder.
    fn client(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("create folder");
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("has parent")).expect("create folder");
            fs::write(path, content).expect("write file");
        }
        fs::create_dir_all(folder.path().join("sdk/js/src")).expect("create folder");
        let web = folder.path().join("web");
        (folder, web)
    }

    fn error(files: &[(&str, &str)]) -> String {
        let (_folder, web) = client(files);
        read(&web, str::to_owned)
            .map(|files| files.into_keys().collect::<Vec<_>>())
            .expect_err("refuse client")
            .to_string()
    }

    #[test]
    fn finds_what_a_browser_needs() {
        let (folder, web) = client(&[
            ("web/index.html", ""),
            ("web/src/main.js", ""),
            ("web/src/main.d.ts", ""),
            ("web/src/old main.js", ""),
            ("web/vendor/vendor.json", ""),
            ("web/README.md", ""),
            ("web/tsconfig.json", ""),
            ("web/tsconfig.sw.json", ""),
            ("web/.hidden.js", ""),
            ("web/check/e2e.js", ""),
            ("web/icons/icon.svg", ""),
            ("sdk/js/src/stores/memory.js", ""),
            ("sdk/js/src/openapi.d.ts", ""),
            ("sdk/js/src/node/index.js", ""),
            ("secret.js", ""),
        ]);
        symlink(folder.path().join("secret.js"), web.join("secret.js")).expect("create link");
        symlink(folder.path(), web.join("all")).expect("create link");
        let found: Vec<_> = find(&web).expect("find files").into_keys().collect();
        assert_eq!(found, ["/icons/icon.svg", "/index.html", "/sdk/stores/memory.js", "/src/main.js"]);
    }

    #[test]
    fn completes_page_and_worker() {
        let files = [
            ("web/index.html", "<head>\n<!-- modulepreload -->\n</head>"),
            ("web/src/main.js", "import './a.js';\nimport '/sdk/index.js';\n"),
            ("web/src/a.js", ""),
            ("web/sw.js", "const NAME = '__BUILD__';\nconst FILES = ['__FILES__'];\n"),
            ("sdk/js/src/index.js", ""),
        ];
        let (_folder, web) = client(&files);
        let texts = |web: &Path| {
            let mut files = read(web, str::to_owned).expect("read client");
            [PAGE, WORKER].map(|path| String::from_utf8(files.remove(path).expect("find file").bytes).expect("is text"))
        };
        let [page, worker] = texts(&web);
        let links =
            "<link rel=\"modulepreload\" href=\"/src/a.js\">\n<link rel=\"modulepreload\" href=\"/sdk/index.js\">";
        assert_eq!(page, format!("<head>\n{links}\n</head>"));
        let build = worker.split('\'').nth(1).expect("hash").to_owned();
        let main = files[1].1;
        let served = [("/index.html", &*page), ("/sdk/index.js", ""), ("/src/a.js", ""), ("/src/main.js", main)];
        let list = served.map(|(path, content)| format!("['{path}', '{}']", hash([content.as_bytes()]))).join(", ");
        assert_eq!(worker, format!("const NAME = '{build}';\nconst FILES = [{list}];\n"));
        assert!(build.len() == 32 && build.chars().all(|c| c.is_ascii_hexdigit()), "{build}");

        assert_eq!(texts(&web)[1], worker);
        fs::write(web.join("src/a.js"), " ").expect("write file");
        assert_ne!(texts(&web)[1], worker);
    }

    #[test]
    fn explains_what_is_wrong_with_a_client() {
        let (page, main) = (("web/index.html", "<!-- modulepreload -->"), ("web/src/main.js", ""));
        assert_eq!(error(&[main]), "the client has no /index.html with the line <!-- modulepreload -->");
        assert_eq!(
            error(&[main, ("web/index.html", "")]),
            "the client has no /index.html with the line <!-- modulepreload -->"
        );
        assert_eq!(
            error(&[page, main, ("web/sdk/a.js", ""), ("sdk/js/src/a.js", "")]),
            "two files are served as /sdk/a.js"
        );
        let bare = error(&[page, ("web/src/main.js", "import { h } from 'preact';\n")]);
        assert!(bare.starts_with("/src/main.js imports 'preact', which is no module of the client"), "{bare}");
        assert_eq!(error(&[page]), "there is no /src/main.js");
    }
}
