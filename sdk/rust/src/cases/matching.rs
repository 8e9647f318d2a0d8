//! Names, and the comparison with what a case expects.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The ids that names such as `$c1` stand for.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, Value>);

/// Returns the id that a name stands for, unless an output has it.
pub(super) fn id_of(name: &str) -> String {
    let hex = name.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let padded = format!("{hex:0>12}");
    format!("00000000-0000-4000-8000-{}", &padded[padded.len() - 12..])
}

impl Names {
    fn name(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_else(|| id_of(&name[1..]).into())
    }

    /// Replaces names by ids.
    pub(super) fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if text.starts_with('$') => self.name(text),
            Value::String(text) if text.starts_with('/') => {
                let parts = text.split('/').map(|part| match part.strip_prefix('$') {
                    Some(_) => self.name(part).as_str().expect("an id in a path").to_owned(),
                    None => part.to_owned(),
                });
                parts.collect::<Vec<_>>().join("/").into()
            }
            Value::Array(list) => list.iter().map(|one| self.resolve(one)).collect(),
            Value::Object(object) => self.object(object).into(),
            other => other.clone(),
        }
    }

    fn object(&self, object: &Map<String, Value>) -> Map<String, Value> {
        object.iter().map(|(key, value)| (self.key(key), self.resolve(value))).collect()
    }

    pub(super) fn key(&self, key: &str) -> String {
        if key.starts_with('$') { self.name(key).as_str().expect("an id as a key").to_owned() } else { key.to_owned() }
    }

    /// Compares: objects may have more members than expected, `null` stands for absent too.
    pub(super) fn check(&mut self, actual: &Value, expected: &Value, path: &str) -> Result<(), String> {
        match expected {
            Value::String(name) if name.starts_with("$=") => {
                if !actual.is_string() {
                    return Err(format!("{path}: {actual} is not a string"));
                }
                self.0.insert(format!("${}", &name[2..]), actual.clone());
                Ok(())
            }
            Value::Array(list) => {
                let items = actual.as_array().ok_or_else(|| format!("{path}: {actual} is not a list"))?;
                if items.len() != list.len() {
                    return Err(format!("{path}: {} items instead of {}: {actual}", items.len(), list.len()));
                }
                let mut pairs = items.iter().zip(list).enumerate();
                pairs.try_for_each(|(n, (item, one))| self.check(item, one, &format!("{path}[{n}]")))
            }
            Value::Object(object) => {
                let members = actual.as_object().ok_or_else(|| format!("{path}: {actual} is not an object"))?;
                object.iter().try_for_each(|(key, one)| {
                    let key = self.key(key);
                    self.check(members.get(&key).unwrap_or(&Value::Null), one, &format!("{path}.{key}"))
                })
            }
            expected => {
                let expected = self.resolve(expected);
                if is_same(actual, &expected) { Ok(()) } else { Err(format!("{path}: {actual} instead of {expected}")) }
            }
        }
    }
}

/// Whether two values are the same, whatever kind of number they have.
fn is_same(actual: &Value, expected: &Value) -> bool {
    match (actual.as_f64(), expected.as_f64()) {
        (Some(actual), Some(expected)) => (actual - expected).abs() < f64::EPSILON,
        _ => actual == expected,
    }
}
