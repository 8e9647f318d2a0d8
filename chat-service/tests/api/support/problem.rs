//! Assertions about problems (RFC 9457).

use std::fmt;

use neonchat_testbed::client::Answer;
use serde_json::Value;

/// The relevant parts of a problem: the status, the code, and the name and code of each invalid field.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    status: u16,
    code: String,
    fields: Vec<(String, String)>,
}

/// The invalid fields, and the codes of their errors.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// The expected problem.
fn problem(status: u16, code: &str, fields: Fields<'_>) -> Problem {
    let fields = fields.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
    Problem { status, code: code.to_owned(), fields }
}

impl From<&Answer> for Problem {
    fn from(Answer { status, body }: &Answer) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(body["status"], *status, "status in the body: {body}");
        assert_eq!(body["type"], format!("urn:neonchat:error:{}", text(&body["code"])));
        let fields = body["errors"].as_array().into_iter().flatten();
        Self {
            status: *status,
            code: text(&body["code"]),
            fields: fields.map(|error| (text(&error["field"]), text(&error["code"]))).collect(),
        }
    }
}

/// Asserts that an answer is this problem.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str, fields: Fields<'_>) {
    assert_eq!(Problem::from(answer), problem(status, code, fields), "{}", Shown(answer));
}

struct Shown<'a>(&'a Answer);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#}", self.0.status, self.0.body)
    }
}
