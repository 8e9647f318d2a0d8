//! What forwarding needs to know.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, HasQuery as _, OptionalExtension as _, QueryDsl as _,
    result::Error as QueryError,
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{SendId, UserId};

use crate::{
    access::Access,
    db::{Db, DbResult},
    messages::model::Message,
    rights::ChatSettings,
    schema::{chat_profiles, messages},
};

/// Returns the messages that a user sent with these `request_id`s, to whatever chat.
pub(in crate::messages) async fn find_sent(
    db: &Db,
    sender: UserId,
    requests: &[SendId],
) -> DbResult<HashMap<SendId, Message>> {
    let requests: Vec<_> = requests.iter().map(|request| request.0).collect();
    let is_sent = messages::sender_id.eq(sender.0).and(messages::request_id.eq_any(requests));
    let sent: Vec<Message> =
        db.query(async |connection| Message::query().filter(is_sent.clone()).load(connection).await).await?;
    Ok(sent.into_iter().filter_map(|message| Some((SendId(message.request_id?), message))).collect())
}

/// Returns whether the messages of a chat cannot be forwarded.
pub(in crate::messages) async fn is_protected(db: &Db, access: Access) -> DbResult<bool> {
    let profile = chat_profiles::table.find(access.chat().0).select(chat_profiles::settings);
    let settings: Option<String> = db.query(async |connection| profile.first(connection).await.optional()).await?;
    // A direct chat has no settings.
    let Some(settings) = settings else { return Ok(false) };
    let settings = ChatSettings::from_stored(&settings, access.kind(), false, 0);
    Ok(settings.map_err(|error| QueryError::DeserializationError(error.into()))?.protected)
}
