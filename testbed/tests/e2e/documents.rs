//! The Markdown files: links, names of files, and the two languages of the README.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Folders without source files.
const SKIPPED: [&str; 4] = [".git", ".neonchat", "node_modules", "target"];

#[test]
fn russian_readme_matches_english_readme() {
    let [english, russian] = ["README.md", "README.ru.md"].map(|name| Document::read(&Path::new(ROOT).join(name)));
    let levels = |document: &Document| document.headings.iter().map(|heading| heading.level).collect::<Vec<_>>();
    assert_eq!(levels(&english), levels(&russian), "levels of headings");
    assert_eq!(english.code, russian.code, "code blocks");
    // They link to each other, which is not compared.
    let is_own = |link: &&String| !["README.md", "README.ru.md"].contains(&link.as_str());
    let links = |document: &Document| document.links.iter().filter(is_own).cloned().collect::<Vec<_>>();
    assert_eq!(links(&english), links(&russian), "targets of links");
    assert!(english.links.contains(&"README.ru.md".to_owned()) && russian.links.contains(&"README.md".to_owned()));
}

#[test]
fn links_in_documents_have_existing_targets() {
    let mut checked = 0;
    for path in files().filter(|path| has_extension(path, "md")) {
        for link in Document::read(&path).links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name("").join(file) };
            assert!(target.exists(), "{}: {link} does not exist", path.display());
            if !anchor.is_empty() {
                assert!(
                    Document::read(&target).anchors().contains(anchor),
                    "{}: no heading for {link}",
                    path.display()
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links");
}

#[test]
fn documents_named_in_sources_exist() {
    let mut checked = 0;
    for path in files().filter(|path| !has_extension(path, "md")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for name in text.split(|character: char| !character.is_ascii_alphanumeric() && !"/._-".contains(character)) {
            let name = name.trim_end_matches('.');
            if name.starts_with("docs/") && has_extension(Path::new(name), "md") {
                assert!(Path::new(ROOT).join(name).exists(), "{} names {name}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} names");
}

#[test]
fn source_files_named_in_documents_exist() {
    let sources: Vec<_> = files().filter(|path| has_extension(path, "rs")).collect();
    let mut checked = 0;
    for path in files().filter(|path| has_extension(path, "md")) {
        let text = fs::read_to_string(&path).expect("read document");
        let is_source = |code: &&str| has_extension(Path::new(code), "rs") && !code.contains([' ', '*']);
        // Every second part is code.
        for name in text.split('`').skip(1).step_by(2).filter(is_source) {
            assert!(sources.iter().any(|source| source.ends_with(name)), "{}: {name} does not exist", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} names");
}

/// The parts of a Markdown file that the tests compare.
struct Document {
    headings: Vec<Heading>,
    /// Fenced code blocks, with their language.
    code: Vec<String>,
    /// Targets of links and images, in order.
    links: Vec<String>,
}

struct Heading {
    level: usize,
    text: String,
}

impl Heading {
    fn parse(line: &str) -> Option<Self> {
        let (marks, text) = line.split_once(' ')?;
        let is_heading = !marks.is_empty() && marks.bytes().all(|byte| byte == b'#');
        is_heading.then(|| Self { level: marks.len(), text: text.to_owned() })
    }
}

impl Document {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Prose and fenced code alternate.
        let parts: Vec<_> = text.split("\n```").collect();
        assert!(parts.len() % 2 == 1, "{}: a code block has no end", path.display());
        let code = parts.iter().skip(1).step_by(2).map(|&part| part.to_owned()).collect();
        let prose = parts.into_iter().step_by(2).collect::<Vec<_>>().join("\n");
        let headings = prose.lines().filter_map(Heading::parse).collect();
        // Every second part is code.
        let prose: String = prose.split('`').step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        Self { headings, code, links: targets.map(|(target, _)| target.to_owned()).collect() }
    }

    /// Returns the anchors that GitHub generates for the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let kept = |character: &char| character.is_alphanumeric() || " -_".contains(*character);
        let anchor = |heading: &Heading| heading.text.to_lowercase().chars().filter(kept).collect::<String>();
        self.headings.iter().map(|heading| anchor(heading).replace(' ', "-")).collect()
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Returns all files of the repository.
fn files() -> impl Iterator<Item = PathBuf> {
    let mut folders = vec![PathBuf::from(ROOT)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read folder") {
            let path = entry.expect("read entry").path();
            let is_skipped = path.file_name().is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped));
            if path.is_symlink() || is_skipped {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.into_iter()
}
