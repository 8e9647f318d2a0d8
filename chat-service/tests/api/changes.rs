//! The feed of users whose chats or tokens changed (`ListChangedUsers`).

use neonchat_proto::chat::v1::{ListChangedUsersRequest, ListChangedUsersResponse};
use neonchat_testbed::client::User;
use uuid::Uuid;

use crate::support::TestApp;

async fn changed(app: &TestApp, since_micros: i64) -> ListChangedUsersResponse {
    let request = app.grpc.request(ListChangedUsersRequest { since_micros });
    app.chat_service().list_changed_users(request).await.expect("call chat-service").into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_members_of_new_chats_and_users_who_logged_out() {
    let app = TestApp::start().await;
    let first = changed(&app, 0).await;
    assert!(first.user_ids.is_empty() && first.until_micros > 0, "{first:?}");

    let (alice, bob, _) = app.pair().await;
    let (carol, _dave) = (app.user().await, app.user().await);
    let logout = app.api.call("POST", "/api/v1/auth/logout", Some(&carol.token), None).await.expect("call API");
    assert_eq!(logout.status, 204);
    let second = changed(&app, first.until_micros).await;
    let mut expected = vec![alice.id, bob.id, carol.id];
    expected.sort_unstable();
    assert_eq!(second.user_ids, expected);
    assert!(second.until_micros >= first.until_micros, "{first:?} {second:?}");

    // Older than the start of the feed.
    let sql = app.sql().await;
    let past = "UPDATE chats SET created_at = now() - interval '1 hour';
                UPDATE revoked_tokens SET revoked_at = now() - interval '1 hour';
                UPDATE sessions SET revoked_at = now() - interval '1 hour' WHERE revoked_at IS NOT NULL";
    sql.batch_execute(past).await.expect("update row");
    assert!(changed(&app, second.until_micros).await.user_ids.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_users_who_came_or_went_for_a_day() {
    let app = TestApp::start().await;
    let first = changed(&app, 0).await;
    let (alice, bob) = (app.user().await, app.user().await);
    let (sql, id) = (app.sql().await, |user: &User| user.id.parse::<Uuid>().expect("parse id"));
    let insert = "INSERT INTO member_changes (user_id, at) VALUES ($1, now()), ($2, now() - interval '25 hours')";
    sql.execute(insert, &[&id(&alice), &id(&bob)]).await.expect("insert rows");
    assert_eq!(changed(&app, first.until_micros).await.user_ids, [&*alice.id]);
    let left = sql.query_one("SELECT count(*), min(user_id::text) FROM member_changes", &[]).await.expect("count rows");
    assert_eq!((left.get::<_, i64>(0), left.get::<_, String>(1)), (1, alice.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_start_out_of_range() {
    let app = TestApp::start().await;
    let request = app.grpc.request(ListChangedUsersRequest { since_micros: i64::MAX });
    let status = app.chat_service().list_changed_users(request).await.expect_err("reject the start");
    assert_eq!((status.code(), status.message().starts_with("since_micros: ")), (tonic::Code::InvalidArgument, true));
}
