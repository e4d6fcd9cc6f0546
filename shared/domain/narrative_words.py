"""The words by which a draft betrays that it says more than its slots.

English has no end of words, so these lists catch what a model plausibly writes, and the rest of the
checks are built so that what slips through carries no number, no name, no link and no direction.
"""

import re
from typing import NamedTuple

from shared.contracts.narrative import Flaw
from shared.contracts.words import Trend
from shared.domain.ledger import Level


def _words(text: str) -> re.Pattern[str]:
    """Whole words; a trailing `*` stands for any ending."""
    parts = [word.replace("*", r"\w*").replace("_", r"\s+") for word in text.split()]
    return re.compile(rf"\b(?:{'|'.join(parts)})\b", re.IGNORECASE)


NUMBER_WORDS = _words(
    r"""
    zero nil one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty\w* thirty\w* forty\w* fifty\w* sixty\w*
    seventy\w* eighty\w* ninety\w* hundred* thousand* million* billion* dozen* score_of first
    second secondly third thirds fourth fifth sixth seventh eighth ninth tenth half halves halve*
    quarter* twice thrice double* doubling triple* tripling quadruple* quintuple* tenfold twofold
    threefold \w+fold pair couple single both percent* per_cent fraction majority minority
    most_of_the all_of_the every each_of
    """
)
TIME_WORDS = _words(
    """
    day days daily week weeks weekly fortnight* month months monthly year years yearly annual*
    today tonight yesterday tomorrow decade* season* hour* minute* january february march april
    june july august september october november december monday tuesday wednesday thursday friday
    saturday sunday
    """
)
STATE_WORDS = _words(
    """
    blocked overdue late stale outdated missing unobserved complete completed finished done failed
    failing successful succeed* baseline operational mature inactive unused light regular emerging
    aligned exceeds exceed* on_track off_track on_schedule on_time behind ahead delayed stuck idle
    perfect maxed full_marks
    """
)
PERSONS = _words(
    """
    he she him his her hers mr mrs ms miss dr prof sir madam thank thanks thanked i me my mine
    colleague* champion* manager* director* owner* ceo cto cfo cio vp executive_sponsor sponsor*
    employee* staff admin admins administrator* person people guy guys lady mister founder*
    president chief boss led_by owned_by contact
    """
)
INSTRUCTIONS = _words(
    """
    ignore ignores ignoring disregard* instruction* prompt prompts prompted system_message
    jailbreak password* passphrase credential* secret secrets api_key token tokens login log_in
    sign_in click* visit download* install* email e-mail phone call_us text_us website* link links
    url http* www assistant chatbot language_model ai_model openai anthropic claude gpt execute
    sudo delete* drop_table transfer wire pay payment* invoice* buy purchas* upgrad* subscri*
    renew* discount* credit_card
    """
)
PROMISES = _words(
    """
    will shall won't guarantee* promise* ensure* assur* certain certainly definitely undoubtedly
    forecast* predict* expect* project* soon inevitabl* bound_to destined poised going_to
    return_on_investment roi
    """
)
INVENTIONS = _words(
    """
    because due_to thanks_to caused causes causing driven_by led_to leads_to result_of results_in
    resulting_from owing_to revenue* churn* customer* client* user users peer* industry
    competitor* benchmark* market* budget* cost costs price* profit* sales arr mrr nps csat
    incident* outage* breach* attack* average* mean median target* goal* maximum minimum total*
    record_high record_low all-time previous* former* originally percentile* rank* versus compared
    employees elite edition_upgrade ever peak* highest lowest worst
    """
)
NEGATIONS = _words(
    """
    no not none never neither nor nothing nobody without hardly barely scarcely cannot can't isn't
    aren't wasn't weren't don't doesn't didn't hasn't haven't lacks lacking absent free_of
    far_from anything_but
    """
)
QUALIFIERS = _words(
    """
    over above below under nearly almost about around roughly approximately more_than less_than
    at_least at_most fewer_than greater_than close_to short_of beyond past minus plus negative
    times exactly_not within just_over just_under from toward* against until off just only nowhere
    some
    """
)
POSSIBILITIES = re.compile(
    r"\b(?:room|space|chance|opportunity|could|would|might|may|can|helps?)\s+(?:to\s+)?\w+",
    re.IGNORECASE,
)
"""What could be is no claim about what is: "room to grow", "could rise"."""

SUPERLATIVES = _words("strongest best top leading greatest largest weakest")
UNITS = _words(
    """
    point points percent percentage pts pp tasks task days day weeks week reports report
    operations operation dimensions plans plan score_points k m x users of
    """
)

VOCABULARY: tuple[tuple[Flaw, re.Pattern[str]], ...] = (
    (Flaw.NUMBER_WORD, NUMBER_WORDS),
    (Flaw.TIME_WORD, TIME_WORDS),
    (Flaw.STATE_WORD, STATE_WORDS),
    (Flaw.INSTRUCTION, INSTRUCTIONS),
    (Flaw.PERSON, PERSONS),
    (Flaw.PROMISE, PROMISES),
    (Flaw.INVENTION, INVENTIONS),
)
"""What may not stand anywhere outside a slot, in the order in which it is told."""


class Claim(NamedTuple):
    """A word that says which way something went or where it stands, and so needs a fact."""

    words: re.Pattern[str]
    stance: Trend | Level
    flaw: Flaw


CLAIMS: tuple[Claim, ...] = (
    Claim(
        _words(
            """
    up upward* upwards rise rises rose risen rising raise* climb climbs climbed climbing grow
    grows grew grown growing growth gain gains gained gaining increase* increasing improv* jump*
    surge* surging higher better recover* rebound* accelerat* soar* advanc* boost* lift lifts
    lifted lifting upswing upturn strengthen* brighter picked_up
    """
        ),
        Trend.UP,
        Flaw.WRONG_DIRECTION,
    ),
    Claim(
        _words(
            """
    down downward* downwards fall falls fell fallen falling drop drops dropped dropping declin*
    decreas* slip slips slipped slipping slid slide slides sliding lose loses lost losing loss
    losses dip dips dipped dipping sink* sank sunk worsen* deteriorat* lower lowered worse shrink*
    shrank shrunk weaken* plunge* plummet* tumbl* retreat* eroded erod* reduc* downturn shed sheds
    slump*
    """
        ),
        Trend.DOWN,
        Flaw.WRONG_DIRECTION,
    ),
    Claim(
        _words(
            """
    flat steady steadily stable stability unchanged constant plateau* stagna* static
    """
        ),
        Trend.FLAT,
        Flaw.WRONG_DIRECTION,
    ),
    Claim(
        _words(
            """
    strong strongly stronger strongest strength* high highly highest healthy solid excellent
    robust great good impressive outstanding superb thriving top best leading exemplary
    comfortable comfortably
    """
        ),
        Level.HIGH,
        Flaw.WRONG_TONE,
    ),
    Claim(
        _words(
            """
    weak weakly weaker weakest weakness* low lowest poor poorly lag lags lagged lagging struggl*
    worst fragile meagre modest alarming critical dire shallow disappointing bad
    """
        ),
        Level.LOW,
        Flaw.WRONG_TONE,
    ),
)
"""Direction first: what moved is claimed more often than where it stands."""

CAPITALISED = frozenset(
    re.findall(
        r"\w+",
        """
    a about above absent across add adding additionally adoption after again against ai aim all
    allow along alongside already also although always amid among an and another any appears
    around as ask at attention awaited awaiting be before begin beginning behind beneath besides
    best better between beyond both breadth bring broad broadening broader build building builds
    but by can capabilities capability care carried carry cause change changed changes check
    choose clear clearing clearly climbing close closer closing coming commentary compare
    concentrate confirm consequently consider continue continued core could currently data
    decline declining deepen depth deserves despite developing dimension do does down drive
    dropping each early ease easy edges edition editions empty encouraging engagement enough
    even evidence executive extend extending eye facts falling few figures finally find finding
    finish fit fix flat focus focused focusing following for free freed freeing fresh from full
    further furthermore gain gaining gains gap gaps gather generally getting give given giving
    go going good governance great growing growth guardian habit had hardly has have having
    healthy heavy held help helping hence here hidden higher highlight hold holding holds home
    how however if important importantly improving in increase indeed instead intelligence into
    investigate investing is it its just keep keeping know known large latest lead learn leave
    leaves less let lifecycle like likewise listed little long look looking looks losses lost
    lower made main maintain maintaining make makes making many maturity may maybe meanwhile
    measure measured momentum more most move moved movement moves moving much must near nearly
    need needs network nevertheless new newest next no none nonetheless notably note nothing
    notice now observation observations observed obstacle obstacles of often older on once only
    open operations opportunity or order other otherwise our overall overcome own pace part
    particularly patience paying perhaps picture place plan planning plans please point positive
    possible practice prioritise prioritize priority progress promising protect publishing
    pushing put qa quiet quietly raise raising rather reach reaching read readers readiness
    reading ready recent recently reconsider record refresh refreshing remain remains removing
    reporting reports result resume resuming returning review reviewing right rising room
    routine same see seeing seen set several shared sharing shift shifts show showing shows sign
    signals signs similarly since slight slightly slipping slow slower slowly small smaller
    smooth so solid some sound space specifically spread spreading stable stand standing stands
    start starting status stay staying stays steady step steps still story strengthening
    strengths strong strongest such sustain sustained sustaining tackling take taken taking task
    tasks tell than that the their then there therefore these they think this those though thus
    time to together too top toward towards track trend trends try trying turn turning unblock
    unblocked unblocking under understand understanding unlike unlock unobserved unseen until up
    upcoming uplift us usage use used useful usually very view waiting watch ways we weak
    weakest weigh welcome well were what when where whether which while why wide wider with
    within work working worth would yet you your
    """,
    )
)
"""Words that may be written with a capital; any other capital could be the start of a name."""
