//! Leaves the comments of JavaScript modules out: a fifth of what a browser would load. The build script compiles this file as well.
//!
//! Only those at the start of a line are left out, so that the parser is small. The rules of the client make it right: no line within a
//! template literal begins like a comment, and neither does one within a comment that begins behind code. `web/check/comments.mjs`
//! checks both. Lines keep their numbers, so that what an error says is true of the file.

/// Returns a module without its comments.
pub(crate) fn without_comments(source: &str) -> String {
    let mut is_inside = false;
    let lines: Vec<_> = source.split('\n').map(|line| code_of(line, &mut is_inside)).collect();
    lines.join("\n")
}

/// Returns what is left of a line. `is_inside` tells whether a comment goes on from one line to the next.
fn code_of<'a>(line: &'a str, is_inside: &mut bool) -> &'a str {
    let mut rest = line;
    while let Some(comment) = if *is_inside { Some(rest) } else { rest.trim_start().strip_prefix("/*") } {
        let Some((_, code)) = comment.split_once("*/") else {
            *is_inside = true;
            return "";
        };
        (rest, *is_inside) = (code, false);
    }
    if rest.trim_start().starts_with("//") { "" } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_comments_at_the_start_of_lines() {
        for (source, expected) in [
            ("a();\n", "a();\n"),
            ("// of a\na(); // of b\n  // c", "\na(); // of b\n"),
            ("/** of a */\n/** of b */ b();", "\n b();"),
            ("/**\n * of a\n // of b\n */\na();\n", "\n\n\n\na();\n"),
            ("/* a */ /* b\n c */ d(); /* e */\n", "\n d(); /* e */\n"),
            ("/* a */ // b\nc('//', '/*');\n", "\nc('//', '/*');\n"),
            ("a(/** b */ c, '*/');\n/", "a(/** b */ c, '*/');\n/"),
            ("/* a", ""),
            ("/*/ a */ b\n", " b\n"),
            ("", ""),
        ] {
            assert_eq!(without_comments(source), expected, "{source:?}");
        }
    }
}
