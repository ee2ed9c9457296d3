//! Messages between old and new programs on the control socket.

use super::*;

#[test]
fn an_answer_of_an_earlier_server_that_names_no_door_is_understood() {
    let session = r#"{"id":1,"user":"anna","peer":"[::1]:5","since":"2026-01-01T00:00:00Z","connections":1,"received":2,"sent":3,"transfers":[]}"#;
    assert_eq!(serde_json::from_str::<Session>(session).unwrap().door, "");
    let mut status: serde_json::Value = serde_json::from_str(include_str!("../../metrics/text/status.json")).unwrap();
    status.as_object_mut().unwrap().remove("doors").unwrap();
    assert!(serde_json::from_value::<Status>(status).unwrap().doors.is_empty());
}

#[test]
fn a_request_is_what_the_page_says() {
    for (line, ask) in [
        (r#"{"do":"status"}"#, Ask::Status),
        (r#"{"do":"users"}"#, Ask::Users),
        (r#"{"do":"reload"}"#, Ask::Reload { pair: None }),
        (r#"{"do":"kick","who":"anna"}"#, Ask::Kick { who: "anna".into() }),
        (r#"{"do":"broadcast","text":"hi"}"#, Ask::Broadcast { text: "hi".into() }),
        (r#"{"do":"drain"}"#, Ask::Drain { message: None }),
        (r#"{"do":"drain","message":"hi"}"#, Ask::Drain { message: Some("hi".into()) }),
    ] {
        assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
    }
    for line in [r#"{"do":"explode"}"#, r#"{"do":"kick"}"#, r#"{"do":"kick","who":"a","force":1}"#, "[]"] {
        assert!(serde_json::from_str::<Ask>(line).is_err(), "{line}");
    }
}
