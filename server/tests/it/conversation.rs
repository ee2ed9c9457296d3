//! The conversation after login, without a network: frames in, replies out, a real disk below.

mod answers;
mod cases;
mod cuts;
mod entering;
mod harness;
mod kills;
mod parts;
mod recounts;
mod transfers;
mod turns;
