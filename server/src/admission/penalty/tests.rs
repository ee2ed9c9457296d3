//! Waits: for one user of an address, for the whole address, and how they are lifted.

use std::net::Ipv4Addr;

use super::*;

const MAX: Duration = Duration::from_secs(600);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn user(name: &str) -> Tried {
    Some(name.parse().unwrap())
}

/// Fails this often for one user, each time with another password; returns the wait after the last one.
fn guesses(penalties: &mut Penalties, name: &str, count: u32, now: Instant) -> Duration {
    let last = penalties.addresses.get(&PEER).map_or(0, |known| known.different);
    let guess = |number: u32| penalties.failed(PEER, &user(name), &number.to_be_bytes(), 0, now);
    (last..last + count).map(guess).last().unwrap()
}

#[test]
fn waits_double_up_to_the_longest() {
    let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
    let waits: Vec<u64> = (0..80).map(|_| guesses(&mut penalties, "bob", 1, now).as_secs()).collect();
    assert_eq!(waits[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
    assert!(waits[11..].iter().all(|wait| *wait == 600));
    assert_eq!(penalties.remaining(PEER, &user("bob"), now + seconds(599)), Some(seconds(1)));
    assert_eq!(penalties.remaining(PEER, &user("bob"), now + seconds(600)), None);
}

#[test]
fn a_few_failures_for_one_user_delay_nobody_else() {
    let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
    guesses(&mut penalties, "bob", DIFFERENT - 1, now);
    assert_eq!(penalties.remaining(PEER, &user("anna"), now), None);
    assert_eq!(guesses(&mut penalties, "carl", 1, now), seconds(1));
    assert_eq!(penalties.remaining(PEER, &user("anna"), now), Some(seconds(1)));
    guesses(&mut penalties, "dora", 1, now);
    assert_eq!(penalties.remaining(PEER, &user("anna"), now), Some(seconds(2)));
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(penalties.remaining(elsewhere, &user("bob"), now), None);
}

#[test]
fn the_same_failure_again_costs_nothing_more_until_the_store_changes() {
    let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
    let mut fail = |generation, at| penalties.failed(PEER, &user("stale"), b"old", generation, at);
    assert_eq!(fail(0, now), seconds(1));
    for second in 1..500 {
        assert_eq!(fail(0, now + seconds(second)), Duration::ZERO);
    }
    assert_eq!(fail(1, now + seconds(500)), seconds(2), "what was wrong may be right now, and is asked about anew");
    for generation in 2..60 {
        fail(generation, now + seconds(500));
    }
    assert_eq!(penalties.remaining(PEER, &user("anna"), now + seconds(500)), None, "it is one failure all the same");
    // The same password for another user, and another password for the same user, are different failures.
    penalties.failed(PEER, &user("anna"), b"old", 60, now);
    penalties.failed(PEER, &user("stale"), b"new", 60, now);
    assert_eq!(penalties.addresses[&PEER].different, 3);
}

#[test]
fn a_quiet_address_is_forgiven() {
    let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
    guesses(&mut penalties, "bob", 5, now);
    assert_eq!(guesses(&mut penalties, "bob", 1, now + seconds(16 + 599)), seconds(32));
    assert_eq!(guesses(&mut penalties, "bob", 1, now + seconds(16 + 599 + 32 + 600)), seconds(1));
    assert_eq!(penalties.addresses[&PEER].different, 1);
}

#[test]
fn a_good_login_lowers_the_price_but_not_over_and_over() {
    let (mut penalties, now, bob) = (Penalties::new(MAX), Instant::now(), "bob".parse().unwrap());
    guesses(&mut penalties, "bob", 4, now);
    penalties.succeeded(PEER, &bob, now);
    penalties.succeeded(PEER, &bob, now);
    assert_eq!(guesses(&mut penalties, "bob", 1, now), seconds(4));
    penalties.succeeded(PEER, &bob, now + FORGIVE_EVERY);
    assert_eq!(guesses(&mut penalties, "bob", 1, now + FORGIVE_EVERY), seconds(2));
}

#[test]
fn waits_are_listed_and_lifted_by_address() {
    let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
    guesses(&mut penalties, "bob", 3, now);
    penalties.failed(PEER, &None, b"", 0, now);
    let waiting = penalties.waiting(now);
    let shown: Vec<_> = waiting.iter().map(|one| (one.user.clone(), one.failures, one.left)).collect();
    assert_eq!(shown, [(Some(user("bob")), 3, seconds(4)), (Some(None), 1, seconds(1))]);
    assert!(penalties.lift(PEER) && !penalties.lift(PEER));
    assert_eq!(penalties.remaining(PEER, &user("bob"), now), None);
    assert!(penalties.waiting(now).is_empty());
}

#[test]
fn neighbours_in_a_64_pay_together_and_ipv4_hosts_do_not() {
    let of = |text: &str| network_of(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
}

#[test]
fn memory_is_bounded_and_the_longest_quiet_is_forgotten_first() {
    let (mut penalties, start) = (Penalties::new(MAX), Instant::now());
    let peer = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number));
    for number in 0..10_002 {
        penalties.failed(peer(number), &None, b"", 0, start + Duration::from_millis(number.into()) / 100);
    }
    assert_eq!(penalties.addresses.len(), ADDRESSES_MAX);
    assert!(!penalties.addresses.contains_key(&peer(1)));
    assert!(penalties.addresses.contains_key(&peer(2)));
    for number in 0..1000 {
        penalties.failed(PEER, &user(&format!("u{number}")), b"", 0, start);
    }
    let known = &penalties.addresses[&PEER];
    assert_eq!((known.users.len(), known.counted.len()), (USERS_MAX, SEEN_MAX));
}
