//! The `OpenAPI` document, with helpers for tests.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::TestApp;

/// All methods of operations.
pub(super) const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The document.
pub(super) struct Document(pub(super) Value);

/// An operation of the document.
pub(super) struct Operation<'a> {
    /// The path, with `{id}` in it.
    pub(super) path: &'a str,
    /// The method.
    pub(super) method: Method,
    /// The operation object of the document.
    pub(super) value: &'a Value,
}

impl Document {
    /// Fetches the served document.
    pub(super) async fn of(app: &TestApp) -> Self {
        let answer = app.api.call("GET", "/openapi.json", None, None).await.expect("call API");
        assert_eq!(answer.status, 200);
        Self(answer.body)
    }

    /// Returns the document that `chat-service openapi` prints.
    pub(super) fn printed() -> Self {
        Self(serde_json::to_value(chat_service::openapi()).expect("parse JSON"))
    }

    /// Returns the paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0["paths"].as_object().expect("object of paths").keys().map(String::as_str)
    }

    /// Returns the operations.
    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.paths().flat_map(|path| METHODS.into_iter().filter_map(|method| self.operation(path, method)))
    }

    /// Returns the operation of a path and a method, if there is one.
    pub(super) fn operation<'a>(&'a self, path: &'a str, method: Method) -> Option<Operation<'a>> {
        let value = self.0["paths"][path].get(method.as_str().to_lowercase())?;
        Some(Operation { path, method, value })
    }

    /// Resolves a reference into the document. Returns any other value unchanged.
    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target =
            value["$ref"].as_str().map(|name| self.0.pointer(name.trim_start_matches('#')).expect("resolve reference"));
        target.unwrap_or(value)
    }

    /// Returns the errors of a value against a schema of the document.
    pub(super) fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        // References in the schema point into the document.
        let schema = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema);
        validator.expect("compile schema").iter_errors(value).map(|error| error.to_string()).collect()
    }

    /// Sends a request for an operation. Returns the status and body. Panics if the answer is not documented.
    pub(super) async fn ask(
        &self,
        operation: &Operation<'_>,
        url: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = Client::new().request(operation.method.clone(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.check(operation, request.send().await.expect("send request")).await
    }

    /// Panics if the answer is not documented for the operation.
    async fn check(&self, Operation { path, method, value }: &Operation<'_>, answer: Response) -> (u16, Value) {
        let status = answer.status().as_u16();
        let documented = self.resolve(&value["responses"][status.to_string()]);
        assert!(documented.is_object(), "{method} {path} answers {status}, of which the document says nothing");
        for name in documented["headers"].as_object().expect("object of headers").keys() {
            // These tests have no rate limits.
            assert!(answer.headers().contains_key(name) || name.starts_with("RateLimit-"), "{method} {path}: {name}");
        }
        let media_type =
            answer.headers().get("content-type").map(|value| value.to_str().expect("header as text").to_owned());
        let text = answer.text().await.expect("read body");
        let Some(media_type) = media_type else {
            assert!(documented["content"].is_null() && text.is_empty(), "{method} {path} {status}");
            return (status, Value::Null);
        };
        let media_type = media_type.split(';').next().unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let schema = &documented["content"][media_type]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}: {media_type}");
        assert_eq!(self.errors(schema, &body), [""; 0], "{method} {path} {status}: {body:#}");
        (status, body)
    }

    /// Returns `name=value` from the example of a parameter.
    pub(super) fn parameter_example(&self, parameter: &Value) -> String {
        let example = parameter.get("example").cloned().unwrap_or_else(|| self.example(&parameter["schema"]));
        let value = match example {
            Value::String(text) => text,
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            example => example.to_string(),
        };
        format!("{}={value}", parameter["name"].as_str().expect("name as string"))
    }

    /// Builds a value from the examples of a schema and its parts.
    pub(super) fn example(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        match schema["type"].as_str() {
            // A value that may be absent.
            None if schema["type"].as_array().is_some_and(|types| types.contains(&json!("null"))) => Value::Null,
            _ if schema["enum"].is_array() => schema["enum"][0].clone(),
            _ if schema["allOf"].is_array() => {
                let parts = schema["allOf"].as_array().into_iter().flatten().map(|part| self.example(part));
                let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
                fields.collect()
            }
            _ if schema["oneOf"].is_array() => self.example(&schema["oneOf"][0]),
            Some("object") => {
                // A map by id has none, and may be empty.
                let properties = schema["properties"].as_object().into_iter().flatten();
                properties.map(|(name, schema)| (name.clone(), self.example(schema))).collect()
            }
            Some("array") => json!([self.example(&schema["items"])]),
            Some("boolean") => json!(false),
            Some("null") => Value::Null,
            _ => panic!("there is no example of {schema:#}"),
        }
    }
}
