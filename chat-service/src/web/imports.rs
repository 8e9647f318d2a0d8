//! The static imports of JavaScript modules. The build script compiles this file as well.
//!
//! The parser is small because the rules of the client make it so: an import begins at the start of a line, and only minified files
//! have several in a line. An import elsewhere is not found. Then the browser loads that module later, and nothing else is different.

use std::collections::{BTreeMap, VecDeque};

/// The module that the page loads.
const ENTRY: &str = "/src/main.js";

/// Returns the modules that [`ENTRY`] needs before it runs, in the order in which a browser would find them. `modules` maps the
/// path of each module to its source.
///
/// # Errors
/// A module imports something that a browser would not find, or there is no [`ENTRY`].
pub(crate) fn needed_at_start(modules: &BTreeMap<&str, &str>) -> Result<Vec<String>, String> {
    // All modules, so that an import in one that is loaded later is checked too.
    let mut imports = BTreeMap::new();
    for (path, source) in modules {
        let checked = |specifier| {
            let target = resolve(path, specifier);
            let target = target.filter(|target| modules.contains_key(target.as_str()));
            target.ok_or_else(|| {
                format!(
                    "{path} imports '{specifier}', which is no module of the client: write the path of a served file, \
                     such as './name.js' or '/sdk/index.js'"
                )
            })
        };
        let specifiers = specifiers(source).map_err(|error| format!("{path}: {error}"))?;
        let targets = specifiers.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        imports.insert((*path).to_owned(), targets);
    }
    let mut found: Vec<String> = Vec::new();
    let mut queue = VecDeque::from([ENTRY.to_owned()]);
    while let Some(path) = queue.pop_front() {
        let Some(targets) = imports.remove(&path) else {
            if path == ENTRY && found.is_empty() {
                return Err(format!("there is no {ENTRY}"));
            }
            // Visited.
            continue;
        };
        queue.extend(targets);
        found.push(path);
    }
    found.remove(0);
    Ok(found)
}

/// Returns what a module imports statically.
fn specifiers(source: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        while let Some(statement) = keyword(rest) {
            let Some((specifier, after)) = specifier(statement)? else { break };
            found.push(specifier);
            rest = after.trim_start_matches([' ', ';']);
        }
        rest = rest.split_once('\n').map_or("", |(_, next)| next);
    }
    Ok(found)
}

/// A statement that may be an import, without its keyword.
#[derive(Clone, Copy)]
enum Statement<'a> {
    Import(&'a str),
    Export(&'a str),
}

fn keyword(text: &str) -> Option<Statement<'_>> {
    let import = text.strip_prefix("import").map(Statement::Import);
    import.or_else(|| text.strip_prefix("export").map(Statement::Export))
}

/// Returns the specifier of an import and what follows it. Returns `None` for a statement that imports nothing.
fn specifier(statement: Statement<'_>) -> Result<Option<(&str, &str)>, String> {
    let names = match statement {
        // `import(…)`, `import.meta`, or a longer word.
        Statement::Import(rest) if !rest.starts_with([' ', '\t', '\r', '\n', '{', '*', '"', '\'']) => return Ok(None),
        Statement::Import(rest) if rest.trim_start().starts_with('(') => return Ok(None),
        Statement::Import(rest) => rest,
        Statement::Export(rest) => match export_source(rest.trim_start()) {
            Some(rest) => rest,
            None => return Ok(None),
        },
    };
    let is_name = |c: char| c.is_alphanumeric() || c.is_whitespace() || "{},*$_".contains(c);
    let literal = names.trim_start_matches(is_name);
    let line = || names.trim_start().lines().next().unwrap_or_default().to_owned();
    let unreadable = || format!("cannot read the import '{}': it has to be names without comments, and a path", line());
    let quote = literal.chars().next().filter(|c| ['"', '\''].contains(c)).ok_or_else(unreadable)?;
    let (specifier, after) = literal[1..].split_once(quote).ok_or_else(unreadable)?;
    Ok(Some((specifier, after)))
}

/// Returns what follows the names in `export {…} from` and `export * from`. Returns `None` for other exports.
fn export_source(statement: &str) -> Option<&str> {
    if statement.starts_with('*') {
        return Some(statement);
    }
    let (_, after) = statement.strip_prefix('{')?.split_once('}')?;
    after.trim_start().strip_prefix("from").filter(|rest| rest.trim_start().starts_with(['"', '\'']))
}

/// Returns the path that a specifier means in the module `importer`. Returns `None` for a bare one such as `preact`, and for a URL.
fn resolve(importer: &str, specifier: &str) -> Option<String> {
    let folder = importer.rsplit_once('/')?.0;
    let joined = match specifier.strip_prefix('/') {
        Some(path) if path.starts_with('/') => return None,
        Some(path) => path.to_owned(),
        None if specifier.starts_with("./") || specifier.starts_with("../") => format!("{folder}/{specifier}"),
        None => return None,
    };
    let mut parts = Vec::new();
    for part in joined.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_static_imports() {
        let source = "// import a from './comment.js';\n\
                      import a from './a.js';\n\
                      import { b, c as d } from \"./b.js\"\n\
                      import {\n  e,\n  f,\n} from '../c.js';\n\
                      import * as g from '/sdk/d.js';\n\
                      import h, { $i, _j } from './e.js';\n\
                      import './f.js';\n\
                      export * from './g.js';\n\
                      export * as k from './h.js';\n\
                      export {\n  l } from './i.js';\n\
                      export { m };\n\
                      export {};\n\
                      export function covering(segments, from, to) {}\n\
                      export const from = 'x';\n\
                      export default 'x';\n\
                      import('./later.js');\n\
                      import ('./later.js');\n\
                      import.meta.url;\n\
                      importScripts('./worker.js');\n\
                      \x20 import x from './indented.js';\n\
                      const text = `import`;\r\n\
                      import n from './j.js'\r\n";
        let found = specifiers(source).expect("read imports");
        let expected =
            ["./a.js", "./b.js", "../c.js", "/sdk/d.js", "./e.js", "./f.js", "./g.js", "./h.js", "./i.js", "./j.js"];
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_imports_of_minified_modules() {
        let source = r#"import{options as n}from"./preact.js";import"./x.js"; export{a,b}from'./core.js';var t,r=import("./later.js");export{t as u};"#;
        assert_eq!(specifiers(source).expect("read imports"), ["./preact.js", "./x.js", "./core.js"]);
    }

    #[test]
    fn rejects_import_that_it_cannot_read() {
        for source in
            ["import { a, /* b */ } from './a.js';", "import a\n", "import a from './a.js", "import a from `./a.js`"]
        {
            let error = specifiers(source).expect_err(source);
            assert!(error.starts_with("cannot read the import '"), "{error}");
        }
    }

    #[test]
    fn resolves_specifiers_like_a_browser() {
        for (importer, specifier, expected) in [
            ("/src/main.js", "./app.js", Some("/src/app.js")),
            ("/src/views/chat.js", "../../vendor/./preact.js", Some("/vendor/preact.js")),
            ("/src/main.js", "/sdk/index.js", Some("/sdk/index.js")),
            ("/sw.js", "./a.js", Some("/a.js")),
            ("/src/main.js", "../../a.js", None),
            ("/src/main.js", "preact", None),
            ("/src/main.js", "https://cdn.example/a.js", None),
            ("/src/main.js", "//src/app.js", None),
            ("/src/main.js", "", None),
        ] {
            assert_eq!(resolve(importer, specifier).as_deref(), expected, "{specifier}");
        }
    }

    #[test]
    fn lists_what_the_page_needs_at_start_once() {
        let modules = BTreeMap::from([
            ("/src/main.js", "import './app.js';\nimport '/sdk/index.js';\nimport('./later.js');\n"),
            ("/src/app.js", "import './dom.js';\nimport './main.js';\n"),
            ("/src/dom.js", ""),
            ("/src/later.js", "import './dom.js';\n"),
            ("/sdk/index.js", "import '../src/dom.js';\n"),
        ]);
        assert_eq!(needed_at_start(&modules).expect("list modules"), ["/src/app.js", "/sdk/index.js", "/src/dom.js"]);
    }

    #[test]
    fn names_import_that_a_browser_would_not_find() {
        for specifier in ["preact", "./missing.js", "./style.css", "//evil.example/a.js"] {
            let later = format!("import '{specifier}';\n");
            let modules = BTreeMap::from([("/src/main.js", ""), ("/src/later.js", later.as_str())]);
            let error = needed_at_start(&modules).expect_err(specifier);
            assert!(error.starts_with(&format!("/src/later.js imports '{specifier}', which is no module")), "{error}");
        }
        assert_eq!(needed_at_start(&BTreeMap::new()).expect_err("no entry"), "there is no /src/main.js");
    }
}
