//! Places before login, and waits.

use std::net::Ipv4Addr;

use tokio::time::{advance, timeout};

use super::*;

fn peer(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

fn admission(unfinished: u32, per_address: u32) -> Admission {
    Admission::new(Login { unfinished, unfinished_per_address: per_address, ..Login::default() })
}

#[tokio::test]
async fn an_address_with_its_share_loses_its_oldest_connection_to_the_newest() {
    let admission = admission(64, 2);
    let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(1)).unwrap());
    let elsewhere = admission.admit(peer(2)).unwrap();
    let third = admission.admit(peer(1)).unwrap();
    let reason = timeout(Duration::from_secs(5), first.dropped()).await.expect("the oldest is told");
    assert_eq!(reason, Reason::Address);
    assert!(!second.is_dropped() && !third.is_dropped() && !elsewhere.is_dropped());
}

#[tokio::test]
async fn a_connection_whose_password_is_being_checked_is_not_dropped() {
    let admission = admission(2, 2);
    let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(1)).unwrap());
    let (check, other) = (first.check("anna").await, second.check("ben").await);
    assert_eq!(admission.admit(peer(1)).unwrap_err(), TooMany(Reason::Address));
    assert_eq!(admission.admit(peer(2)).unwrap_err(), TooMany(Reason::Unfinished));
    drop(other);
    let third = admission.admit(peer(2)).unwrap();
    assert!(second.is_dropped() && !first.is_dropped() && !third.is_dropped());
    drop(check);
    let _fourth = admission.admit(peer(3)).unwrap();
    assert!(third.is_dropped() && !first.is_dropped(), "who has no handshake yet goes first");
}

#[test]
fn under_a_flood_those_without_a_handshake_go_first_and_then_any() {
    let admission = admission(8, 1000);
    let honest: Vec<_> = (0..4).map(|_| admission.admit(peer(1)).unwrap()).collect();
    honest.iter().for_each(Ticket::shook_hands);
    let flood: Vec<_> = (0..1000).map(|_| admission.admit(peer(2)).unwrap()).collect();
    assert!(!honest.iter().any(Ticket::is_dropped), "a flood without handshakes costs them nothing");
    assert!(!flood.last().unwrap().is_dropped(), "the newest has its chance");
    drop(flood);
    // Among connections with handshakes the choice is random: it is not always the oldest.
    let oldest_stayed = (0..100).any(|_| {
        let all: Vec<_> = (0..9)
            .map(|_| {
                let ticket = admission.admit(peer(2)).unwrap();
                ticket.shook_hands();
                ticket
            })
            .collect();
        !all[0].is_dropped()
    });
    assert!(oldest_stayed);
}

#[test]
fn a_connection_that_logged_in_or_left_holds_no_place() {
    let admission = admission(2, 2);
    let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap());
    first.logged_in();
    let third = admission.admit(peer(3)).unwrap();
    drop(third);
    let _fourth = admission.admit(peer(4)).unwrap();
    assert!(!first.is_dropped() && !second.is_dropped());
    drop((first, second));
    assert_eq!(admission.unfinished(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_user_whose_login_failed_waits_at_an_address() {
    let admission = admission(64, 16);
    let (one, other) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap());
    assert_eq!(one.must_wait("bob"), None);
    one.failed("bob", b"a", 0);
    one.failed("bob", b"b", 0);
    let again = admission.admit(peer(1)).unwrap();
    assert_eq!(again.must_wait("bob"), Some(Duration::from_secs(2)));
    assert_eq!((again.must_wait("anna"), other.must_wait("bob")), (None, None));
    assert_eq!(admission.waiting().len(), 1);
    advance(Duration::from_secs(2)).await;
    assert_eq!(one.must_wait("bob"), None);
    one.succeeded(&"bob".parse().unwrap());
    one.failed("bob", b"c", 0);
    assert_eq!(one.must_wait("bob"), Some(Duration::from_secs(1)));
    assert!(admission.lift(peer(1)) && !admission.lift(peer(1)));
    assert_eq!(one.must_wait("bob"), None);
}

#[tokio::test(start_paused = true)]
async fn a_wave_of_guesses_is_checked_one_after_the_other() {
    let admission = admission(64, 16);
    let (one, two) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(1)).unwrap());
    let check = one.check("bob").await;
    assert!(timeout(Duration::from_secs(1), two.check("bob")).await.is_err(), "the first is not judged yet");
    timeout(Duration::from_secs(1), two.check("anna")).await.expect("another user's is checked beside it");
    one.failed("bob", b"a", 0);
    drop(check);
    let _next = timeout(Duration::from_secs(1), two.check("bob")).await.expect("its turn came");
    assert_eq!(two.must_wait("bob"), Some(Duration::from_secs(1)));
}

#[test]
fn messages_without_a_seal_delay_nobody_else_however_often_they_come() {
    let admission = admission(64, 16);
    let one = admission.admit(peer(1)).unwrap();
    (0..1000).for_each(|_| one.is_strange());
    assert_eq!(one.must_wait("anna"), None);
}

#[test]
fn allowed_networks_never_wait_and_share_no_limit() {
    let allow = vec!["192.0.2.0/28".parse().unwrap()];
    let admission = Admission::new(Login { allow, unfinished_per_address: 1, ..Login::default() });
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(mapped).unwrap());
    first.failed("bob", b"a", 0);
    second.failed("bob", b"b", 0);
    assert_eq!(second.must_wait("bob"), None);
    assert!((0..1000).all(|_| first.pace_registration(1) == Ok(Duration::ZERO)));
    assert!(!first.is_dropped());
    let other = admission.admit(peer(16)).unwrap();
    other.failed("bob", b"a", 0);
    assert!(other.must_wait("bob").is_some());
}

#[test]
fn a_balancer_has_no_share_and_those_behind_it_have_theirs() {
    let balancers = vec!["192.0.2.9".parse::<IpAddr>().unwrap().into()];
    let admission = Admission::new(Login { balancers, unfinished_per_address: 2, ..Login::default() });
    let mut tickets: Vec<_> = (0..10).map(|_| admission.admit(peer(9)).unwrap()).collect();
    assert!(tickets.iter().all(|ticket| ticket.is_balancer() && !ticket.is_dropped()));
    tickets.iter_mut().take(3).for_each(|ticket| ticket.comes_from(peer(1)).unwrap());
    assert_eq!(tickets.iter().map(Ticket::is_dropped).collect::<Vec<_>>()[..4], [true, false, false, false]);
    tickets[1].failed("bob", b"a", 0);
    assert!(tickets[2].must_wait("bob").is_some() && tickets[3].must_wait("bob").is_none());
    drop(tickets);
    assert_eq!(admission.unfinished(), 0);
}
