//! The settings of the web client.

use std::{fs, path::PathBuf};

use neonchat_common::settings::{Environment, SettingsSource};

/// Where the files of the web client come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebClient {
    /// They are not served (`WEB_CLIENT=off`).
    Off,
    /// They are part of the program.
    Embedded,
    /// They are in this folder (`NEONCHAT_WEB_DIR`), and are read at each request.
    Folder(PathBuf),
}

impl WebClient {
    pub(super) fn read(source: &mut SettingsSource, environment: Environment) -> Self {
        const FOLDER: &str = "NEONCHAT_WEB_DIR";
        let is_on = source.choice("WEB_CLIENT", ("on", true), &[("off", false)]);
        let folder = source.optional(FOLDER).map(PathBuf::from);
        if !is_on {
            return Self::Off;
        }
        let Some(folder) = folder else { return Self::Embedded };
        if environment == Environment::Production {
            source.warn(FOLDER, "the client is read from disk at each request, and without compression");
        }
        // Resolved once, so that the folder of the SDK is beside the folder itself, and not beside a link to it.
        let folder = fs::canonicalize(&folder).unwrap_or(folder);
        if !folder.join("index.html").is_file() || !folder.join("../sdk/js/src").is_dir() {
            source.problem(FOLDER, "the path of a folder with index.html, beside which is sdk/js/src");
        }
        Self::Folder(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<(WebClient, usize), String> {
        let mut source = SettingsSource::from_values(values.iter().copied());
        let client = WebClient::read(&mut source, Environment::Production);
        source.finish().map(|warnings| (client, warnings.len())).map_err(|error| error.to_string())
    }

    #[test]
    fn is_embedded_unless_set() {
        assert_eq!(read(&[]), Ok((WebClient::Embedded, 0)));
        assert_eq!(read(&[("WEB_CLIENT", "off"), ("NEONCHAT_WEB_DIR", "/nowhere")]), Ok((WebClient::Off, 0)));
        assert_eq!(read(&[("WEB_CLIENT", "no")]), Err("WEB_CLIENT should be one of on, off".to_owned()));
    }

    #[test]
    fn folder_is_that_of_a_client() {
        let project = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("find folder");
        let web = project.join("web");
        let set = |path: &str| read(&[("NEONCHAT_WEB_DIR", path)]);
        assert_eq!(set(&web.display().to_string()), Ok((WebClient::Folder(web), 1)));
        for path in ["/nowhere", &project.display().to_string(), &project.join("sdk/js").display().to_string()] {
            let expected =
                "NEONCHAT_WEB_DIR should be the path of a folder with index.html, beside which is sdk/js/src";
            assert_eq!(set(path), Err(expected.to_owned()), "{path}");
        }
    }
}
