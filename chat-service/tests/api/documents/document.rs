//! `/openapi.json` as tests ask it.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::TestApp;

/// The methods that an operation may have.
pub(super) const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The document.
pub(super) struct Document(pub(super) Value);

/// One operation of it.
pub(super) struct Operation<'a> {
    /// Its path, with `{id}` in it.
    pub(super) path: &'a str,
    /// Its method.
    pub(super) method: Method,
    /// What the document says of it.
    pub(super) value: &'a Value,
}

impl Document {
    /// As it is served.
    pub(super) async fn of(app: &TestApp) -> Self {
        let answer = app.api.call("GET", "/openapi.json", None, None).await.expect("an answer");
        assert_eq!(answer.status, 200);
        Self(answer.body)
    }

    /// As `chat-service openapi` prints it.
    pub(super) fn printed() -> Self {
        Self(serde_json::to_value(chat_service::openapi()).expect("JSON"))
    }

    /// The paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0["paths"].as_object().expect("paths").keys().map(String::as_str)
    }

    /// The operations.
    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.paths().flat_map(|path| METHODS.into_iter().filter_map(|method| self.operation(path, method)))
    }

    /// The operation of a path and a method, if there is one.
    pub(super) fn operation<'a>(&'a self, path: &'a str, method: Method) -> Option<Operation<'a>> {
        let value = self.0["paths"][path].get(method.as_str().to_lowercase())?;
        Some(Operation { path, method, value })
    }

    /// What a reference into the document refers to; a value that is not a reference is returned as it is.
    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().map(|name| self.0.pointer(name.trim_start_matches('#')).expect("a target"));
        target.unwrap_or(value)
    }

    /// What is wrong with a value, by a schema of the document.
    pub(super) fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        // References of the schema lead into the document.
        let schema = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema);
        validator.expect("a schema").iter_errors(value).map(|error| error.to_string()).collect()
    }

    /// Makes a request of an operation, and returns the status and the body. Panics where the answer is not documented.
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
        self.check(operation, request.send().await.expect("an answer")).await
    }

    /// Panics where an answer is not one that the operation is documented to have.
    async fn check(&self, Operation { path, method, value }: &Operation<'_>, answer: Response) -> (u16, Value) {
        let status = answer.status().as_u16();
        let documented = self.resolve(&value["responses"][status.to_string()]);
        assert!(documented.is_object(), "{method} {path} answers {status}, of which the document says nothing");
        for name in documented["headers"].as_object().expect("headers").keys() {
            // Requests are not counted in these tests.
            assert!(answer.headers().contains_key(name) || name.starts_with("RateLimit-"), "{method} {path}: {name}");
        }
        let media_type = answer.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned());
        let text = answer.text().await.expect("a body");
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

    /// `name=value`, as an example has it.
    pub(super) fn parameter_example(&self, parameter: &Value) -> String {
        let example = parameter.get("example").cloned().unwrap_or_else(|| self.example(&parameter["schema"]));
        let value = match example {
            Value::String(text) => text,
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            example => example.to_string(),
        };
        format!("{}={value}", parameter["name"].as_str().expect("a name"))
    }

    /// The value that the examples of a schema and of its parts make up.
    pub(super) fn example(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        match schema["type"].as_str() {
            _ if schema["enum"].is_array() => schema["enum"][0].clone(),
            _ if schema["allOf"].is_array() => {
                let parts = schema["allOf"].as_array().into_iter().flatten().map(|part| self.example(part));
                let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
                fields.collect()
            }
            _ if schema["oneOf"].is_array() => self.example(&schema["oneOf"][0]),
            Some("object") => {
                let properties = schema["properties"].as_object().expect("properties");
                properties.iter().map(|(name, schema)| (name.clone(), self.example(schema))).collect()
            }
            Some("array") => json!([self.example(&schema["items"])]),
            Some("boolean") => json!(false),
            _ => panic!("there is no example of {schema:#}"),
        }
    }
}
