//! The `OpenAPI` document matches the service.

mod document;
mod groups;
mod sessions;

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use self::document::{Document, METHODS, Operation};
use crate::{
    stand_in::{StandIn, notification_port},
    support::TestApp,
};

const REFRESH: &str = "/api/v1/auth/refresh";

#[tokio::test(flavor = "multi_thread")]
async fn document_has_this_version_and_every_operation_an_id_and_a_tag() {
    let app = TestApp::start().await;
    let document = Document::of(&app).await;
    let info = &document.0["info"];
    assert_eq!(
        [&document.0["openapi"], &info["title"], &info["version"], &info["license"]["identifier"]],
        ["3.1.0", "NeonChat", env!("CARGO_PKG_VERSION"), "MIT"]
    );
    let bearer = &document.0["components"]["securitySchemes"]["bearer"];
    assert_eq!([&bearer["type"], &bearer["scheme"], &bearer["bearerFormat"]], ["http", "bearer", "JWT"]);
    let tags: BTreeSet<_> =
        document.0["tags"].as_array().expect("array of tags").iter().map(|tag| tag["name"].as_str()).collect();
    let mut names = BTreeSet::new();
    for Operation { path, method, value } in document.operations() {
        assert!(
            names.insert(value["operationId"].as_str().expect("name as string")),
            "{method} {path}: the name is taken"
        );
        assert!(tags.contains(&value["tags"][0].as_str()), "{method} {path}: {}", value["tags"]);
        assert!(value["summary"].is_string(), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn document_has_all_methods_and_says_which_need_a_token() {
    let app = TestApp::start().await;
    let document = Document::of(&app).await;
    for path in document.paths() {
        let id = Uuid::new_v4().to_string();
        let url = format!("{}{}", app.base, fill(path, &id));
        let unsupported = Method::from_bytes(b"PROPFIND").expect("a method");
        let answer = Client::new().request(unsupported, &url).send().await.expect("send request");
        let documented = METHODS.into_iter().filter(|method| document.operation(path, method.clone()).is_some());
        let documented = documented.map(|method| method.to_string()).collect::<Vec<_>>().join(", ");
        // The document omits the methods that every path has.
        let allowed = documented.replace("GET", "GET, HEAD") + ", OPTIONS";
        assert_eq!(answer.headers()["allow"], allowed, "{path}");
        for method in METHODS {
            let Some(operation) = document.operation(path, method) else { continue };
            let (status, body) = document.ask(&operation, &url, None, None).await;
            // A refresh needs the refresh token of the body or cookie.
            let needs_a_token = operation.value["security"] == json!([{ "bearer": [] }]) || path == REFRESH;
            assert_eq!((status, &body["code"]) == (401, &json!("unauthorized")), needs_a_token, "{path}: {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_answers_match_the_document() {
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    serve(StandIn::default());
    let document = Document::of(&app).await;
    let (alice, bob, chat) = app.pair().await;
    let carol = app.user().await;
    let message = app.send(&chat, &alice, "hello").await.message_id;
    let later = json!({ "text": "later", "send_at": Utc::now() + TimeDelta::hours(1) });
    let later = app.post(&format!("/api/v1/chats/{chat}/messages"), &alice, &later).await.body;
    let later = later["scheduled_id"].as_str().expect("id as string");
    let mut asked = BTreeSet::new();
    let mut ask = async |method: &str, path: &'static str, query: &str, id: &str, body: Option<Value>| {
        asked.insert((path, method.to_owned()));
        let operation = document.operation(path, method.parse().expect("parse method")).expect("documented operation");
        let path = path.replace("{id}", id).replace("{message_id}", &message).replace("{emoji}", "👍");
        let path = path.replace("{scheduled_id}", later);
        let url = format!("{}{path}{query}", app.base);
        document.ask(&operation, &url, Some(&alice.token), body.as_ref()).await.0
    };

    let credentials = json!({ "username": "alice", "password": "securepass123" });
    assert_eq!(ask("POST", "/api/v1/auth/register", "", "", Some(credentials.clone())).await, 201);
    assert_eq!(ask("POST", "/api/v1/auth/login", "", "", Some(credentials)).await, 200);
    assert_eq!(ask("GET", "/api/v1/users/me", "", "", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/users/{id}", "", &bob.id, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/users", "?q=u-&limit=1&offset=1", "", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/users/status", &format!("?ids={}", bob.id), "", None).await, 200);

    for (partner, status) in [(&carol, 201), (&bob, 200)] {
        assert_eq!(ask("POST", "/api/v1/chats", "", "", Some(json!({ "partner_id": partner.id }))).await, status);
    }
    let send = json!({ "text": "hello", "request_id": Uuid::new_v4() });
    for status in [201, 200] {
        assert_eq!(ask("POST", "/api/v1/chats/{id}/messages", "", &chat, Some(send.clone())).await, status);
    }
    let rich = json!({ "text": "hello", "reply_to": message, "mentions": [bob.id], "silent": true,
        "entities": [{ "type": "link", "offset": 0, "length": 2, "url": "https://example.com/" }] });
    assert_eq!(ask("POST", "/api/v1/chats/{id}/messages", "", &chat, Some(rich)).await, 201);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}", "", &chat, None).await, 200);
    let scheduled =
        json!({ "text": "hello", "send_at": Utc::now() + TimeDelta::minutes(1), "request_id": Uuid::new_v4() });
    for status in [202, 200] {
        assert_eq!(ask("POST", "/api/v1/chats/{id}/messages", "", &chat, Some(scheduled.clone())).await, status);
    }
    assert_eq!(ask("GET", "/api/v1/chats/{id}/scheduled", "?limit=5", &chat, None).await, 200);
    let path = "/api/v1/chats/{id}/scheduled/{scheduled_id}";
    assert_eq!(ask("PATCH", path, "", &chat, Some(json!({ "text": "later" }))).await, 200);
    assert_eq!(ask("DELETE", path, "", &chat, None).await, 204);
    assert_eq!(ask("PUT", "/api/v1/chats/{id}/timer", "", &chat, Some(json!({ "ttl_s": 3600 }))).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}/replies", "?limit=5", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}/seen", "", &chat, None).await, 200);
    let forward = json!({ "from_chat_id": chat, "message_ids": [message], "request_id": Uuid::new_v4() });
    for status in [201, 200] {
        assert_eq!(ask("POST", "/api/v1/chats/{id}/forward", "", &chat, Some(forward.clone())).await, status);
    }
    let reply = json!({ "text": "x", "reply_to": message });
    app.post(&format!("/api/v1/chats/{chat}/messages"), &bob, &reply).await;
    assert_eq!(ask("GET", "/api/v1/mentions", "?limit=5", "", None).await, 200);
    for text in ["edited", "edited again"] {
        let edit = json!({ "text": text, "request_id": Uuid::new_v4() });
        assert_eq!(ask("PATCH", "/api/v1/chats/{id}/messages/{message_id}", "", &chat, Some(edit)).await, 200);
    }
    let query = "?limit=1&after=0";
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}/versions", query, &chat, None).await, 200);
    let reaction = "/api/v1/chats/{id}/messages/{message_id}/reactions/{emoji}";
    assert_eq!(ask("PUT", reaction, "", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}/reactions", "?limit=5", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages/{message_id}", "", &chat, None).await, 200);
    assert_eq!(ask("PUT", "/api/v1/chats/{id}/pins/{message_id}", "", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/pins", "", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/events", "", &chat, None).await, 200);
    assert_eq!(ask("DELETE", reaction, &format!("?request_id={}", Uuid::new_v4()), &chat, None).await, 200);
    assert_eq!(ask("DELETE", "/api/v1/chats/{id}/pins/{message_id}", "", &chat, None).await, 200);
    assert_eq!(ask("DELETE", "/api/v1/chats/{id}/messages/{message_id}", "", &chat, None).await, 200);
    let ids = json!({ "ids": [message] });
    assert_eq!(ask("POST", "/api/v1/chats/{id}/messages/delete", "", &chat, Some(ids)).await, 200);
    app.send(&chat, &bob, "hello").await;
    assert_eq!(ask("GET", "/api/v1/chats", "?limit=5&offset=0&unread_only=true", "", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats", "", "", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}", "", &chat, None).await, 200);
    let receipt = json!({ "read": 1, "delivered": 2 });
    assert_eq!(ask("PUT", "/api/v1/chats/{id}/receipt", "", &chat, Some(receipt)).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/receipts", "", &chat, None).await, 200);
    let settings = json!({ "muted_until": "2999-01-01T00:00:00Z", "level": "none", "pin_place": 1, "folder": "Work" });
    assert_eq!(ask("PATCH", "/api/v1/chats/{id}/me", "", &chat, Some(settings)).await, 200);
    let draft = json!({ "text": "hello", "reply_to": message });
    assert_eq!(ask("PUT", "/api/v1/chats/{id}/draft", "", &chat, Some(draft)).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats", "?limit=1&after=&archived=false&folder=Work", "", None).await, 200);
    assert_eq!(ask("POST", "/api/v1/chats/{id}/clear", "", &chat, Some(json!({ "upto": 1 }))).await, 200);
    assert_eq!(ask("GET", "/api/v1/unread", "", "", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/messages", "", &chat, None).await, 200);
    assert_eq!(ask("GET", "/api/v1/chats/{id}/events", "?after=0", &chat, None).await, 200);
    app.until_redis().await;
    for path in ["/health", "/live", "/ready", "/metrics"] {
        assert_eq!(ask("GET", path, "", "", None).await, 200);
    }
    asked.extend(groups::ask_all(&app, &document).await);
    asked.extend(sessions::ask_all(&app, &document).await);
    let all = document.operations().map(|operation| (operation.path, operation.method.to_string()));
    assert_eq!(asked, all.collect(), "all that there is was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_the_documented_examples_of_requests() {
    let app = TestApp::start().await;
    let document = Document::of(&app).await;
    for operation in document.operations() {
        // Each operation gets its own user, because one of them is the logout.
        let (alice, _, chat) = app.pair().await;
        let parameters = operation.value["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let query: Vec<_> = parameters.map(|parameter| document.parameter_example(parameter)).collect();
        let path = fill(operation.path, &chat);
        let url = format!("{}{path}?{}", app.base, query.join("&"));
        let schema = operation.value["requestBody"].pointer("/content/application~1json/schema");
        let body = schema.map(|schema| document.example(schema));
        let (status, answer) = document.ask(&operation, &url, Some(&alice.token), body.as_ref()).await;
        // The example of a refresh token cannot be genuine.
        let is_unauthorized = answer["code"] == "unauthorized" && operation.path != REFRESH;
        let is_read = !matches!(status, 400 | 413 | 415 | 422) && !is_unauthorized;
        assert!(is_read, "{url} {body:?}: {answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_match_their_schemas() {
    let app = TestApp::start().await;
    let document = Document::of(&app).await;
    let mut found = 0;
    each(&document.0, &mut |value| {
        let examples = value["examples"].as_array().into_iter().flatten().map(|example| (value, example));
        let named = value["examples"].as_object().into_iter().flatten();
        let named = named.map(|(_, example)| (&value["schema"], &example["value"]));
        let single = value.get("example").map(|example| (&value["schema"], example));
        for (schema, example) in examples.chain(named).chain(single) {
            assert_eq!(document.errors(schema, example), [""; 0], "{example} of {schema:#}");
            found += 1;
        }
    });
    assert!(found > 50, "only {found}");
    // Every schema has an example, or its parts do.
    for (name, schema) in document.0["components"]["schemas"].as_object().expect("object of schemas") {
        let example = document.example(schema);
        assert_eq!(document.errors(schema, &example), [""; 0], "{name}: {example:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_prints_the_served_document() {
    let app = TestApp::start().await;
    let printed = serde_json::to_value(chat_service::openapi()).expect("parse JSON");
    assert_eq!(Document::of(&app).await.0, printed);
}

#[test]
fn problems_are_plain_references_to_shared_responses() {
    let document = Document::printed();
    let mut shared = 0;
    for (name, response) in document.0["components"]["responses"].as_object().expect("object of responses") {
        let content = &response["content"]["application/problem+json"];
        assert_eq!(content["schema"], json!({ "$ref": "#/components/schemas/Problem" }), "{name}");
        assert!(!content["examples"].as_object().expect("object of examples").is_empty(), "{name}");
        shared += 1;
    }
    assert!((5..30).contains(&shared), "{shared} shared responses");
    for Operation { path, method, value } in document.operations() {
        for (status, response) in value["responses"].as_object().expect("object of responses") {
            let is_inline = response["content"]["application/problem+json"].is_object();
            assert!(!is_inline, "{method} {path} {status}: the problem is not shared");
        }
        let reads = value["parameters"].is_array() || value["requestBody"].is_object();
        assert!(!reads || value["responses"]["422"].is_object(), "{method} {path}: 422 is not documented");
    }
}

#[test]
fn ids_are_named_schemas() {
    let document = Document::printed();
    let named = document.0["components"]["schemas"].as_object().expect("object of schemas");
    let named = named.values().filter(|schema| schema["format"] == "uuid").count();
    let mut all = 0;
    each(&document.0, &mut |value| all += usize::from(value["format"] == "uuid"));
    assert!(named >= 4, "only {named}");
    assert_eq!(all - named, 0, "schemas of ids without a name");
}

#[test]
fn events_are_a_union_with_a_discriminator() {
    let document = Document::printed();
    let schemas = &document.0["components"]["schemas"];
    let event = &schemas["Event"];
    assert_eq!(event["discriminator"]["propertyName"], "type");
    let mapping = event["discriminator"]["mapping"].as_object().expect("object of mapping");
    let arms = event["oneOf"].as_array().expect("array of arms");
    assert_eq!(mapping.len(), arms.len());
    for (kind, target) in mapping {
        assert!(arms.iter().any(|arm| arm["$ref"] == *target), "{kind} is not an arm");
        let arm = document
            .0
            .pointer(target.as_str().expect("reference as string").trim_start_matches('#'))
            .expect("compile schema");
        // An event with flattened parts is a union of their schemas.
        let parts = arm["allOf"].as_array().map_or_else(|| vec![arm], |parts| parts.iter().collect());
        let own = parts.into_iter().find(|part| part["properties"]["type"].is_object()).expect("part with a type");
        assert_eq!(document.resolve(&own["properties"]["type"])["enum"], json!([kind]), "{kind}");
        assert!(own["required"].as_array().expect("array of names").contains(&json!("type")), "{kind}");
    }
}

#[test]
fn asyncapi_has_the_same_schemas_and_valid_examples() {
    let ours = Document::printed();
    let asyncapi = include_str!("../../../docs/asyncapi.json");
    let theirs = Document(serde_json::from_str(asyncapi).expect("parse JSON"));
    let mut shared = Vec::new();
    for (name, schema) in theirs.0["components"]["schemas"].as_object().expect("object of schemas") {
        if let Some(own) = ours.0["components"]["schemas"].get(name) {
            assert_eq!(schema, own, "{name}");
            shared.push(name.as_str());
        }
    }
    for name in [
        "ChatId",
        "ChatItem",
        "ChatPrefs",
        "Draft",
        "ErrorCode",
        "MemberChangedEvent",
        "Message",
        "MessageId",
        "SendId",
        "UserId",
    ] {
        assert!(shared.contains(&name), "{name} is missing in one of the documents");
    }
    for (name, message) in theirs.0["components"]["messages"].as_object().expect("object of messages") {
        assert!(message["payload"]["$ref"].is_string(), "{name}: the payload has no name");
        let examples = message["examples"].as_array().expect("array of examples");
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            assert_eq!(theirs.errors(&message["payload"], &example["payload"]), [""; 0], "{name}");
        }
    }
}

/// Returns a path with one value for all its ids.
fn fill(path: &str, value: &str) -> String {
    let segment = |segment| match segment {
        "{emoji}" => "%F0%9F%91%8D",
        segment if str::starts_with(segment, '{') => value,
        segment => segment,
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Visits a value and all values in it.
fn each<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|value| each(value, visit)),
        Value::Array(items) => items.iter().for_each(|value| each(value, visit)),
        _ => {}
    }
}
