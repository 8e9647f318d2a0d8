//! The session cookie of browsers.

use neonchat_testbed::client::{Answer, PASSWORD, User};
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use super::{Device, age};
use crate::support::{TestApp, assert_problem};

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

/// An answer with the value and the attributes of the cookie that it sets.
struct BrowserAnswer {
    answer: Answer,
    cookie: Option<(String, String)>,
}

impl BrowserAnswer {
    /// Returns the cookie that was set.
    fn cookie(&self) -> String {
        let (value, _) = self.cookie.as_ref().expect("a cookie");
        value.clone()
    }

    fn is_cleared(&self) -> bool {
        self.cookie.as_ref().is_some_and(|(value, attributes)| value.ends_with('=') && attributes.contains("Max-Age=0"))
    }
}

/// Sends a request of a page, with headers and a cookie.
async fn ask(
    app: &TestApp,
    path: &str,
    headers: &[(&str, &str)],
    cookie: Option<&str>,
    body: Option<Value>,
) -> BrowserAnswer {
    let mut request = reqwest::Client::new().post(format!("{}/api/v1/auth/{path}", app.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, format!("theme=dark; {cookie}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("send request");
    let set = response.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text").to_owned());
    let set: Vec<_> = set.collect();
    assert!(set.len() <= 1, "{set:?}");
    let cookie =
        set.first().and_then(|set| set.split_once("; ")).map(|(pair, rest)| (pair.to_owned(), rest.to_owned()));
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("read body");
    BrowserAnswer { answer: Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() }, cookie }
}

async fn log_in(app: &TestApp, user: &User, headers: &[(&str, &str)]) -> BrowserAnswer {
    let body = json!({ "username": user.name, "password": PASSWORD, "cookie": true });
    ask(app, "login", headers, None, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_refresh_token_out_of_the_reach_of_scripts() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let login = log_in(&app, &user, &[SAME]).await;
    let (cookie, attributes) = login.cookie.as_ref().expect("a cookie");
    assert!(cookie.starts_with("neonchat=v1."), "{cookie}");
    assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict");
    assert_eq!((login.answer.status, login.answer.body.get("refresh_token")), (200, None));
    assert_eq!(login.answer.body["refresh_expires_in"], 2_592_000);

    let refreshed = ask(&app, "refresh", &[SAME], Some(cookie), None).await;
    assert_eq!((refreshed.answer.status, refreshed.answer.body.get("refresh_token")), (200, None));
    assert_eq!(refreshed.answer.body["session_id"], login.answer.body["session_id"]);
    assert_ne!(&refreshed.cookie(), cookie);
    let user = User { token: refreshed.answer.body["token"].as_str().expect("token").to_owned(), ..user };
    assert_eq!(app.get("/api/v1/users/me", &user).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn is_for_https_only_where_the_public_url_is() {
    let app = TestApp::start_with(&[("PUBLIC_URL", "https://chat.example")]).await;
    let login = log_in(&app, &app.user().await, &[SAME]).await;
    let (cookie, attributes) = login.cookie.as_ref().expect("a cookie");
    assert!(cookie.starts_with("__Host-neonchat=v1."), "{cookie}");
    assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure");
    let plain = cookie.replacen("__Host-", "", 1);
    assert_problem(&ask(&app, "refresh", &[SAME], Some(&plain), None).await.answer, 401, "unauthorized", &[]);
    assert_eq!(ask(&app, "refresh", &[SAME], Some(cookie), None).await.answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_get_the_same_cookie() {
    let app = TestApp::start().await;
    let cookie = log_in(&app, &app.user().await, &[SAME]).await.cookie();
    let tab = async || ask(&app, "refresh", &[SAME], Some(&cookie), None).await;
    let (one, other) = tokio::join!(tab(), tab());
    assert_eq!((one.answer.status, other.answer.status), (200, 200));
    assert_eq!(one.cookie(), other.cookie());
    assert_eq!(ask(&app, "refresh", &[SAME], Some(&one.cookie()), None).await.answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_never_changes_the_cookie() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let login = log_in(&app, &user, &[SAME]).await;
    let cookie = login.cookie();
    let refreshed = ask(&app, "refresh", &[SAME], Some(&cookie), None).await;
    assert_eq!(refreshed.answer.status, 200);
    let device = Device {
        user,
        session: login.answer.body["session_id"].as_str().expect("id").to_owned(),
        refresh_token: String::new(),
    };
    age(&app, &device, 61).await;
    for (cookie, code) in [
        (&*cookie, "session_reused"),
        (&*cookie, "unauthorized"),
        (&*refreshed.cookie(), "unauthorized"),
        ("neonchat=nonsense", "unauthorized"),
        ("neonchat=", "unauthorized"),
        ("other=1", "unauthorized"),
    ] {
        let refused = ask(&app, "refresh", &[SAME], Some(cookie), None).await;
        assert_problem(&refused.answer, 401, code, &[]);
        assert_eq!(refused.cookie, None);
    }
}

/// The rule: `Sec-Fetch-Site` decides; only without it `Origin` does.
#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_this_site_may_use_it() {
    let app = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", "https://listed.example")]).await;
    let user = app.user().await;
    let site = |site| ("sec-fetch-site", site);
    let (own, listed, foreign) =
        (("origin", &*app.base), ("origin", "https://listed.example"), ("origin", "https://evil.example"));
    let mut cookie = log_in(&app, &user, &[SAME]).await.cookie();
    for (headers, is_allowed) in [
        (&[site("same-origin")][..], true),
        (&[site("same-origin"), foreign], true),
        (&[site("same-site"), own], false),
        (&[site("cross-site"), listed], false),
        (&[site("none")], false),
        (&[own], true),
        (&[listed], true),
        (&[foreign], false),
        (&[("origin", "null")], false),
        (&[], false),
    ] {
        let refreshed = ask(&app, "refresh", headers, Some(&cookie), None).await;
        let login = log_in(&app, &user, headers).await;
        if is_allowed {
            cookie = refreshed.cookie();
            assert_eq!((refreshed.answer.status, login.answer.status), (200, 200), "{headers:?}");
            let logout = ask(&app, "logout", headers, Some(&login.cookie()), None).await;
            assert!(logout.answer.status == 204 && logout.is_cleared(), "{headers:?}");
        } else {
            let logout = ask(&app, "logout", headers, Some(&cookie), None).await;
            for refused in [refreshed, login, logout] {
                assert_problem(&refused.answer, 403, "forbidden", &[]);
                assert_eq!(refused.cookie, None, "{headers:?}");
            }
        }
    }
    // A refused request used nothing up.
    assert_eq!(ask(&app, "refresh", &[SAME], Some(&cookie), None).await.answer.status, 200);
    // Without the cookie, other programs need no such header.
    let device = Device::log_in(&app, &user).await;
    assert_eq!(device.refreshed(&app).await.status(&app).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_in_the_body_has_priority() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let cookie = log_in(&app, &user, &[SAME]).await.cookie();
    let device = Device::log_in(&app, &user).await;
    let body = json!({ "refresh_token": device.refresh_token });
    let answer = ask(&app, "refresh", &[], Some(&cookie), Some(body)).await;
    assert_eq!((answer.answer.status, answer.cookie), (200, None));
    assert_eq!(answer.answer.body["session_id"], *device.session);
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_deletes_it() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let browser = async || {
        let login = log_in(&app, &user, &[SAME]).await;
        let token = login.answer.body["token"].as_str().expect("token").to_owned();
        (login.cookie(), format!("Bearer {token}"), User { token, ..user.clone() })
    };
    let status = async |user: &User| app.get("/api/v1/users/me", user).await.status;

    let (cookie, bearer, session) = browser().await;
    let logout = ask(&app, "logout", &[SAME, ("authorization", &bearer)], Some(&cookie), None).await;
    assert!(logout.answer.status == 204 && logout.is_cleared());
    assert_eq!(status(&session).await, 401);
    assert_eq!(ask(&app, "refresh", &[SAME], Some(&cookie), None).await.answer.status, 401);

    // The token has expired, and only the cookie is left.
    let (cookie, _, session) = browser().await;
    let logout = ask(&app, "logout", &[SAME], Some(&cookie), None).await;
    assert!(logout.answer.status == 204 && logout.is_cleared());
    assert_eq!(status(&session).await, 401);
    let again = ask(&app, "logout", &[SAME], Some(&cookie), None).await;
    assert!(again.answer.status == 204 && again.is_cleared());

    // Another login in the same browser goes on.
    let ((_, bearer, one), (cookie, _, other)) = (browser().await, browser().await);
    let logout = ask(&app, "logout", &[SAME, ("authorization", &bearer)], Some(&cookie), None).await;
    assert_eq!((logout.answer.status, logout.cookie), (204, None));
    assert_eq!((status(&one).await, status(&other).await), (401, 200));

    // Without a token nobody logs out everywhere.
    let everywhere = ask(&app, "logout", &[SAME], Some(&cookie), Some(json!({ "everywhere": true }))).await;
    assert_problem(&everywhere.answer, 401, "unauthorized", &[]);
    assert_eq!((everywhere.cookie, status(&other).await), (None, 200));
    // Without a cookie none is deleted.
    let bearer = format!("Bearer {}", other.token);
    let logout = ask(&app, "logout", &[("authorization", &bearer)], None, None).await;
    assert_eq!((logout.answer.status, logout.cookie), (204, None));
}
