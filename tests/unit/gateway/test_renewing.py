"""Links with certificates that were replaced are opened again, one after the other."""

from dataclasses import dataclass

from signet.gateway.renewing import PATIENCE, Renewing


@dataclass
class OneLink:
    outdated: bool = False
    settled: bool = True
    resets: int = 0

    def reset(self) -> None:
        self.resets += 1
        self.outdated = self.settled = False


def test_links_that_are_up_to_date_are_left_alone() -> None:
    links = [OneLink(), OneLink()]
    Renewing().step(0.0, links)
    assert [link.resets for link in links] == [0, 0]


def test_the_next_link_waits_until_the_last_one_is_settled() -> None:
    links, renewing = [OneLink(), OneLink()], Renewing()
    for link in links:
        link.outdated, link.settled = True, False
    for now in (0.0, 0.1, 0.2):
        renewing.step(now, links)
    assert [link.resets for link in links] == [1, 0]
    links[0].settled = True
    renewing.step(0.3, links)
    assert [link.resets for link in links] == [1, 1]
    links[1].settled = True
    renewing.step(0.4, links)
    assert [link.resets for link in links] == [1, 1]


def test_a_router_that_stays_away_does_not_hold_up_the_others_for_ever() -> None:
    links, renewing = [OneLink(outdated=True), OneLink(outdated=True)], Renewing()
    renewing.step(0.0, links)
    renewing.step(PATIENCE - 0.1, links)
    assert links[1].resets == 0
    renewing.step(PATIENCE, links)
    assert links[1].resets == 1
