//! Many at once: requests for a cold target with different credentials, while the first of them is answered, held, refused
//! or broken off.
//!
//! RFC 9111 section 4 lets one response answer requests that came meanwhile, each only if it may be reused for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Pass;
use super::client::Answer;
use super::origin::{First, Script, Target};
use super::people::{ALICE, BOB, CAROL, COOKIE_1, EMPTY, MALLORY, NOBODY, Person};
use super::report::{Judged, Row};
use super::spellings::CONCURRENT;
use super::verdict::{Exchange, Verdict};

/// Who comes while the first request is at the origin.
static FOLLOWERS: [&Person; 7] = [&BOB, &BOB, &ALICE, &CAROL, &NOBODY, &EMPTY, &COOKIE_1];

/// How long the first request is held once the others were sent: a cache that lets them wait sends none of them on.
const HOLD: Duration = Duration::from_millis(50);

/// How long the first request may take to the origin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Scenes at the same time.
const AT_ONCE: usize = 16;

/// When somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader,
    Follower,
    /// Once all others have their answers.
    Afterwards,
}

/// One target and who comes first.
#[derive(Clone, Copy)]
struct Scene {
    number: usize,
    leader: &'static Person,
    script: Script,
}

impl Scene {
    fn all() -> Vec<Self> {
        let mut scenes = Vec::new();
        for spelling in CONCURRENT {
            for vary in [None, Some("Authorization")] {
                let quiet = [First::HeadHeld, First::ContentHeld, First::BrokenOff].map(|first| (first, None));
                let refusals = [401, 403].map(|status| (First::HeadHeld, Some(status)));
                for (first, status) in quiet.into_iter().chain(refusals) {
                    for leader in [&ALICE, &NOBODY] {
                        // Who is refused is refused whenever they come; the followers have to get their own answers.
                        let leader = if status.is_some() && leader.is_credentialed() { &MALLORY } else { leader };
                        let (number, refused) = (scenes.len(), status.map(|status| (leader, status)));
                        let script = Script { spelling, vary, chunked: number % 4 > 1, first, refused };
                        scenes.push(Self { number, leader, script });
                    }
                }
            }
        }
        scenes
    }

    /// How a finding names it.
    fn title(&self, asker: &Person, role: Role, answer: &Answer) -> String {
        let Script { spelling, vary, first, refused, .. } = self.script;
        let vary = vary.map_or(String::new(), |name| format!(", Vary: {name}"));
        let refused = refused.map_or(String::new(), |(_, status)| format!(", refused with {status}"));
        format!(
            "{:?}{vary}: led by {}, {first:?}{refused}: {role:?} {} got {answer}",
            spelling.lines, self.leader.name, asker.name
        )
    }

    fn judge(&self, asker: &'static Person, role: Role, answer: &Answer, target: &Target) -> Judged {
        let verdict = match answer {
            Answer::Content(mark) if mark.by.name == asker.name => Verdict::Fetched,
            Answer::Content(stored) => {
                let confirmed = target.visits().iter().any(|visit| visit.is_confirmed && visit.by.name == asker.name);
                let Script { spelling, vary, .. } = self.script;
                let exchange =
                    Exchange { spelling, vary, asker, language: "en", seconds_later: 0, stored, is_confirmed: confirmed };
                exchange.judge_reuse()
            }
            Answer::Garbled(_) => Verdict::Wrong("truncated or mixed content, framed as complete"),
            Answer::Broken(_) | Answer::Status(500..) if self.may_break(role) => Verdict::Fetched,
            Answer::Status(status)
                if self.script.refused.is_some_and(|refused| (refused.0.name, refused.1) == (asker.name, *status)) =>
            {
                Verdict::Fetched
            }
            Answer::Status(401 | 403) => Verdict::Wrong("another's refusal"),
            Answer::Broken(_) | Answer::Status(_) => Verdict::Wrong("no answer"),
        };
        Judged { row: Row::Concurrent, verdict, told: self.title(asker, role, answer) }
    }

    /// Whoever shares content that breaks off gets as much.
    fn may_break(&self, role: Role) -> bool {
        self.script.first == First::BrokenOff && role != Role::Afterwards
    }
}

/// How many answers one pass judges.
pub(super) fn count() -> usize {
    Scene::all().len() * (FOLLOWERS.len() + 2)
}

/// Runs all scenes, a few at a time.
pub(super) async fn run(pass: &Arc<Pass>) -> Vec<Judged> {
    let (slots, mut scenes) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for scene in Scene::all() {
        let (pass, slots) = (Arc::clone(pass), Arc::clone(&slots));
        scenes.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire().await;
            play(&pass, scene).await
        });
    }
    scenes.join_all().await.into_iter().flatten().collect()
}

/// The leader, then the followers while the leader's answer is held, then somebody after all of them.
async fn play(pass: &Arc<Pass>, scene: Scene) -> Vec<Judged> {
    let name = pass.name("concurrent", scene.number);
    let target = pass.origin.play(&name, scene.script);
    let mut asking = JoinSet::new();
    let ask = |asking: &mut JoinSet<_>, asker: &'static Person, role: Role| {
        let (pass, name) = (Arc::clone(pass), name.clone());
        asking.spawn(async move { (asker, role, pass.client().get(&name, asker, "en").await) });
    };
    ask(&mut asking, scene.leader, Role::Leader);
    target.is_reached(1, PATIENCE).await;
    for follower in FOLLOWERS {
        ask(&mut asking, follower, Role::Follower);
    }
    target.is_reached(1 + FOLLOWERS.len(), HOLD).await;
    target.open();
    let mut answers = asking.join_all().await;
    let after = pass.client().get(&name, &CAROL, "en").await;
    pass.origin.forget(&name);
    let mut judged: Vec<Judged> =
        answers.drain(..).map(|(asker, role, answer)| scene.judge(asker, role, &answer, &target)).collect();
    judged.push(scene.judge(&CAROL, Role::Afterwards, &after, &target));
    judged
}
