//! Sessions: what a login gives, and what ends it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::net::IpAddr;
use std::time::Duration;

use morgana_controller::{Caller, ListOptions, Origin, SessionKind, TestPlatform};
use morgana_model::{Credentials, ErrorCode, Failure, NewUser, Role, Secret, Session, UserPatch};

fn bearer(session: &Session) -> String {
    format!("Bearer {}", session.access_token.expose())
}

async fn who(platform: &TestPlatform, session: &Session) -> Result<Caller, Failure> {
    platform.controller.authenticate(Some(&bearer(session))).await
}

async fn log_in(
    platform: &TestPlatform,
    user: &str,
    password: &str,
    from: [u8; 4],
) -> Result<Session, Failure> {
    let credentials = Credentials { user_id: user.to_owned(), password: Secret::new(password) };
    let origin = Origin { address: Some(IpAddr::from(from)), idempotency: None };
    platform.controller.login(credentials, &origin, SessionKind::Refreshed).await
}

async fn refresh(platform: &TestPlatform, session: &Session) -> Result<Session, Failure> {
    platform.controller.refresh(&session.refresh_token, &Origin::default()).await
}

#[tokio::test]
async fn an_access_token_is_short_and_a_refresh_gives_the_next() {
    let platform = TestPlatform::start().await;
    let first = platform.session("admin").await;
    let life = first.expires_at.duration_since(jiff::Timestamp::now());
    assert!(life.as_secs() <= 15 * 60 && life.as_secs() > 13 * 60, "{life:?}");
    assert!(first.session_expires_at > first.expires_at);
    let second = refresh(&platform, &first).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(who(&platform, &second).await.unwrap().user.as_str(), "admin");
    assert!(who(&platform, &first).await.is_ok(), "the access token before lives to its end");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_within_the_leeway() {
    let platform = TestPlatform::start_with(|options| options.refresh_leeway_seconds = 60).await;
    let first = platform.session("admin").await;
    let lost = refresh(&platform, &first).await.unwrap();
    let again = refresh(&platform, &first).await.unwrap();
    assert_eq!(again.refresh_token, lost.refresh_token);
    assert!(refresh(&platform, &again).await.is_ok());
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_session_for_both() {
    let platform = TestPlatform::start_with(|options| options.refresh_leeway_seconds = 0).await;
    let stolen = platform.session("admin").await;
    let other = platform.session("admin").await;
    let owner = refresh(&platform, &stolen).await.unwrap();
    let refused = refresh(&platform, &stolen).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    assert!(refused.message.contains("used before"), "{refused}");
    assert!(who(&platform, &owner).await.is_err());
    assert!(refresh(&platform, &owner).await.is_err());
    assert!(who(&platform, &other).await.is_ok(), "another session of the user goes on");
    let mut options = ListOptions::default();
    options.filter.insert("outcome", "token-reused".to_owned());
    let lines = platform.controller.list_audit(&platform.administrator(), &options).await.unwrap();
    assert_eq!(lines.items.len(), 1);
}

#[tokio::test]
async fn of_many_refreshes_at_once_none_ends_the_session() {
    let platform = TestPlatform::start_with(|options| options.refresh_leeway_seconds = 60).await;
    let first = platform.session("admin").await;
    let at_once: Vec<_> = (0..8)
        .map(|_| {
            let (controller, token) = (platform.controller.clone(), first.refresh_token.clone());
            tokio::spawn(async move { controller.refresh(&token, &Origin::default()).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for one in at_once {
        tokens.push(one.await.unwrap().unwrap().refresh_token);
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

#[tokio::test]
async fn a_logout_holds_after_a_restart() {
    let platform = TestPlatform::start().await;
    let (gone, stays) = (platform.session("admin").await, platform.session("admin").await);
    platform.controller.logout(Some(&bearer(&gone)), &Origin::default()).await.unwrap();
    let platform = platform.restart().await;
    let refused = who(&platform, &gone).await.unwrap_err();
    assert!(refused.message.contains("revoked"), "{refused}");
    assert!(refresh(&platform, &gone).await.is_err());
    assert!(who(&platform, &stays).await.is_ok());
    assert!(refresh(&platform, &stays).await.is_ok());
}

#[tokio::test]
async fn a_user_that_goes_takes_all_its_sessions_along_and_another_of_its_name_inherits_none() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let (one, two) = (platform.session("tenant1").await, platform.session("tenant1").await);
    platform.controller.unregister(&platform.administrator(), &tenant.user).await.unwrap();
    platform.tenant("tenant1").await;
    for session in [&one, &two] {
        assert!(who(&platform, session).await.is_err());
        assert!(refresh(&platform, session).await.is_err());
    }
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_asks_its_user_for_the_old_one() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let session = platform.session("tenant1").await;
    let patch = |current: Option<&str>, new: &str| UserPatch {
        password: Some(Secret::new(new)),
        current_password: current.map(Secret::new),
        role: None,
    };
    let update = async |caller: &Caller, patch: UserPatch| {
        platform.controller.update_user(caller, &tenant.user, patch, &None).await.map(drop)
    };
    let missing = update(&tenant, patch(None, "another password")).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::InvalidInput);
    let wrong = update(&tenant, patch(Some("x"), "another password")).await.unwrap_err();
    assert_eq!(wrong.code, ErrorCode::PermissionDenied);
    let weak = update(&tenant, patch(Some("a password for tests"), "short")).await.unwrap_err();
    assert_eq!(weak.code, ErrorCode::InvalidInput);
    assert!(who(&platform, &session).await.is_ok());
    update(&tenant, patch(Some("a password for tests"), "another password")).await.unwrap();
    assert!(who(&platform, &session).await.is_err());
    assert!(log_in(&platform, "tenant1", "a password for tests", [10, 0, 0, 1]).await.is_err());
    assert!(log_in(&platform, "tenant1", "another password", [10, 0, 0, 1]).await.is_ok());
    update(&platform.administrator(), patch(None, "a third password")).await.unwrap();
    let role = UserPatch { role: Some(Role::Administrator), ..UserPatch::default() };
    let denied = platform.controller.update_user(&tenant, &tenant.user, role, &None).await.unwrap_err();
    assert_eq!(denied.code, ErrorCode::PermissionDenied, "nobody promotes itself");
}

#[tokio::test]
async fn the_last_administrator_is_not_demoted() {
    let platform = TestPlatform::start().await;
    let admin = platform.administrator();
    let demote = || UserPatch { role: Some(Role::Tenant), ..UserPatch::default() };
    let refused = platform.controller.update_user(&admin, &admin.user, demote(), &None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
}

#[tokio::test]
async fn guessing_is_throttled_for_the_guesser_and_not_for_the_user_elsewhere() {
    let platform = TestPlatform::start().await;
    let guesser = [10, 0, 0, 66];
    for _ in 0..5 {
        let wrong = log_in(&platform, "admin", "wrong", guesser).await.unwrap_err();
        assert_eq!(wrong.code, ErrorCode::Unauthenticated);
    }
    let stopped = log_in(&platform, "admin", "a password for tests", guesser).await.unwrap_err();
    assert_eq!(stopped.code, ErrorCode::TooManyRequests, "even the right one has to wait");
    assert!(stopped.retry_after_seconds.is_some());
    assert!(log_in(&platform, "admin", "a password for tests", [10, 0, 0, 1]).await.is_ok());
    let unknown = log_in(&platform, "nobody", "wrong", guesser).await.unwrap_err();
    assert_eq!(unknown.message, "Bad username or password", "an unknown user is answered like a known one");
}

#[tokio::test]
async fn a_user_has_no_more_sessions_than_it_may() {
    let platform = TestPlatform::start_with(|options| options.sessions_per_user = 2).await;
    let first = platform.session("admin").await;
    let (second, third) = (platform.session("admin").await, platform.session("admin").await);
    assert!(who(&platform, &first).await.is_err(), "the oldest is ended");
    assert!(who(&platform, &second).await.is_ok() && who(&platform, &third).await.is_ok());
}

#[tokio::test]
async fn a_weak_password_is_refused_and_not_repeated() {
    let platform = TestPlatform::start().await;
    for (id, password) in [("tenant1", "short"), ("tenant1", "password"), ("longtenant", "longtenant1")] {
        let new = NewUser { id: id.parse().unwrap(), password: Secret::new(password), role: Role::Tenant };
        let refused = platform.controller.register(&platform.administrator(), new).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidInput);
        assert!(!refused.message.contains("short'") && !refused.message.contains("longtenant1"), "{refused}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_outlives_an_access_token() {
    use futures_util::StreamExt;
    use morgana_controller::Events;
    let platform = TestPlatform::start().await;
    let session = platform.session("admin").await;
    let lease = platform.controller.lease(Some(&bearer(&session))).await.unwrap();
    let mut events = platform.controller.events(lease, Events::WithSnapshot).await.unwrap();
    assert!(events.next().await.is_some());
    platform.controller.logout(Some(&bearer(&session)), &Origin::default()).await.unwrap();
    platform.tenant("tenant1").await;
    let ended = async { while events.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the stream ends");
}

#[tokio::test]
async fn a_foreign_topic_is_refused_and_written_down() {
    use morgana_access::FabricRole;
    use morgana_fabric::Qos;
    let platform = TestPlatform::start().await;
    let (client, _events) = platform.workload(&FabricRole::VSilo("thief_s".parse().unwrap()));
    for _ in 0..3 {
        let published = client.publish("vThing/tv/a/data_in", b"{}".to_vec(), Qos::AtLeastOnce).await;
        assert!(published.is_err());
    }
    assert!(client.subscribe("vSilo/victim_s/c_in", Qos::AtLeastOnce).await.is_err());
    let mut options = ListOptions::default();
    options.filter.insert("who", "silo:thief_s".to_owned());
    for _ in 0..600 {
        let lines = platform.controller.list_audit(&platform.administrator(), &options).await.unwrap().items;
        let mut said: Vec<_> =
            lines.iter().map(|line| (line.action.as_str(), line.target.as_str())).collect();
        said.sort_unstable();
        if said.len() >= 2 {
            assert_eq!(said, [("publish", "vThing/tv/a/data_in"), ("subscribe", "vSilo/victim_s/c_in")]);
            assert!(lines.iter().all(|line| line.outcome == "permission-denied"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the attempts are not in the audit log");
}
