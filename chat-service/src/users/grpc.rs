//! The gRPC call `RecordLastSeen`.

use neonchat_common::{error::ApiError, time};
use neonchat_proto::chat::v1::{LastSeen as WireLastSeen, RecordLastSeenRequest, RecordLastSeenResponse};

use super::{
    model::{LastSeen, MAX_LAST_SEEN},
    service::Users,
};
use crate::validation::{ValidationError, ValidationErrors, parse_id};

/// Records when users were last seen.
pub(crate) async fn record_last_seen(
    users: &Users,
    request: RecordLastSeenRequest,
) -> Result<RecordLastSeenResponse, ApiError> {
    if !(1..=MAX_LAST_SEEN).contains(&request.users.len()) {
        return Err(ApiError::invalid("users", "length", format!("should have 1 to {MAX_LAST_SEEN} users")));
    }
    let seen = request.users.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    users.record_last_seen(&seen).await?;
    Ok(RecordLastSeenResponse {})
}

fn parse(seen: &WireLastSeen) -> Result<LastSeen, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    let user = invalid.check("user_id", parse_id(&seen.user_id));
    let at = time::from_micros(seen.at_micros).ok_or_else(|| ValidationError::new("range", "is not a time"));
    let at = invalid.check("at_micros", at);
    let (Some(user), Some(at)) = (user, at) else { return Err(invalid) };
    Ok(LastSeen { user, at })
}
