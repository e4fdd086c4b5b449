"""The verbs of the storybook language, as tables.

A line of `VERBS` is: English base form, third person, participle, particle | German infinitive,
third person, participle | prefix, auxiliary | what may be its subject | what may follow. A dash
stands for nothing. What may follow is a list of

* `acc:CLASS` and `dat:CLASS`: objects in the accusative and the dative;
* `at`, `at-home`, `at-goal`: a place, of one of the kinds in `PLACES`; with `!` it must be there;
* `PREPOSITION.CLASS`: directions, of which one must be there; `go` stands for the usual ones;
* `with`, `for`: a companion, a beneficiary;
* `how:KIND`: an adverb of manner, of a kind that `closed_classes` lists;
* `state`: what the verb says lasts, so it is not done at a moment (*he must love* is left out).

A long line goes on in the next one. Classes are those of the nouns, `being` for persons and
animals, and `A/B` for either.
"""

PLACES = {
    "at": "in.room on.surface under.cover behind.large beside.large at.edge by.shore",
    "at-home": "in.room behind.large by.waters",
    "at-goal": "in.room at.landmark",
}
MOTION = {"go": "through.passage into.room to.landmark/host"}

VERBS = """
sleep sleeps slept - | schlafen schläft geschlafen | - hat | being | at
sit sits sat - | sitzen sitzt gesessen | - hat | being | at!
stand stands stood - | stehen steht gestanden | - hat | being | at!
wait waits waited - | warten wartet gewartet | - hat | being | at
dream dreams dreamed - | träumen träumt geträumt | - hat | being | at
snore snores snored - | schnarchen schnarcht geschnarcht | - hat | being | at how:sound
sing sings sung - | singen singt gesungen | - hat | person/singer | at how:sound with
work works worked - | arbeiten arbeitet gearbeitet | - hat | person | at with
play plays played - | spielen spielt gespielt | - hat | playful | at with
dance dances danced - | tanzen tanzt getanzt | - hat | dancer | at with
laugh laughs laughed - | lachen lacht gelacht | - hat | person | how:sound
live lives lived - | wohnen wohnt gewohnt | - hat | person | at-home! state
wake wakes woken up | aufwachen wacht aufgewacht | auf ist | being | -
get gets got up | aufstehen steht aufgestanden | auf ist | being | how:motion
come comes come back | zurückkommen kommt zurückgekommen | zurück ist | being | -
run runs run away | weglaufen läuft weggelaufen | weg ist | being | how:motion
fly flies flown away | wegfliegen fliegt weggeflogen | weg ist | flyer | how:motion
arrive arrives arrived - | ankommen kommt angekommen | an ist | person | at-goal!

rain rains rained - | regnen regnet geregnet | - hat | weather | -
snow snows snowed - | schneien schneit geschneit | - hat | weather | -
shine shines shone - | scheinen scheint geschienen | - hat | sky | -
blow blows blown - | wehen weht geweht | - hat | wind | -

jump jumps jumped - | springen springt gesprungen | - ist | animal/playful | over.low/barrier \
    onto.surface how:motion
run runs run - | laufen läuft gelaufen | - ist | being | go around.large under.cover how:motion
walk walks walked - | gehen geht gegangen | - ist | person | over.crossing go how:motion
climb climbs climbed - | klettern klettert geklettert | - ist | climber | over.barrier \
    onto.surface through.opening how:motion
fly flies flown - | fliegen fliegt geflogen | - ist | flyer | over.large/waters through.passage \
    to.landmark how:motion
swim swims swum - | schwimmen schwimmt geschwommen | - ist | swimmer | through.waters how:motion
crawl crawls crawled - | kriechen kriecht gekrochen | - ist | low/playful | under.cover into.room \
    through.opening how:motion
ride rides ridden - | reiten reitet geritten | - ist | person | over.crossing go how:motion
come comes come - | kommen kommt gekommen | - ist | being | from.room into.room
sneak sneaks sneaked - | schleichen schleicht geschlichen | - ist | robber/hunter | around.large \
    into.room how:motion

see sees seen - | sehen sieht gesehen | - hat | being | acc:being/large at
hear hears heard - | hören hört gehört | - hat | being | acc:being at
find finds found - | finden findet gefunden | - hat | being | acc:thing/food at
look looks looked for | suchen sucht gesucht | - hat | being | acc:thing/being at
carry carries carried - | tragen trägt getragen | - hat | person | acc:thing into.room \
    to.landmark/host
throw throws thrown - | werfen wirft geworfen | - hat | person | acc:small/toy into.waters/lid \
    over.barrier through.opening
put puts put - | legen legt gelegt | - hat | person | acc:text/small/jewel onto.surface \
    under.cover into.lid
buy buys bought - | kaufen kauft gekauft | - hat | person | acc:thing/food for
sell sells sold - | verkaufen verkauft verkauft | - hat | person | acc:thing/food
read reads read - | lesen liest gelesen | - hat | person | acc:text at
write writes written - | schreiben schreibt geschrieben | - hat | person | acc:writing at
eat eats eaten - | essen isst gegessen | - hat | person | acc:food at
eat eats eaten - | fressen frisst gefressen | - hat | animal | acc:food at
drink drinks drunk - | trinken trinkt getrunken | - hat | being | acc:drink at
love loves loved - | lieben liebt geliebt | - hat | person | acc:being state
visit visits visited - | besuchen besucht besucht | - hat | person | acc:person
know knows known - | kennen kennt gekannt | - hat | person | acc:person state
catch catches caught - | fangen fängt gefangen | - hat | hunter | acc:prey
chase chases chased - | jagen jagt gejagt | - hat | hunter | acc:animal
paint paints painted - | malen malt gemalt | - hat | person | acc:being/large
steal steals stolen - | stehlen stiehlt gestohlen | - hat | robber | acc:jewel/food
watch watches watched - | beobachten beobachtet beobachtet | - hat | being | acc:being at
wash washes washed - | waschen wäscht gewaschen | - hat | person | acc:clothes/fruit
cook cooks cooked - | kochen kocht gekocht | - hat | person | acc:hot for
lose loses lost - | verlieren verliert verloren | - hat | person | acc:small/jewel
need needs needed - | brauchen braucht gebraucht | - hat | person | acc:thing state
hide hides hidden - | verstecken versteckt versteckt | - hat | being | acc:jewel/small/food at
greet greets greeted - | grüßen grüßt gegrüßt | - hat | person | acc:person
forget forgets forgotten - | vergessen vergisst vergessen | - hat | person | acc:thing
open opens opened - | aufmachen macht aufgemacht | auf hat | person | acc:opening/lid how:work
close closes closed - | zumachen macht zugemacht | zu hat | person | acc:opening/lid how:work
lock locks locked - | abschließen schließt abgeschlossen | ab hat | person | acc:locked
pick picks picked up | aufheben hebt aufgehoben | auf hat | person | acc:small/toy/text how:work
invite invites invited - | einladen lädt eingeladen | ein hat | person | acc:person
put puts put on | anziehen zieht angezogen | an hat | person | acc:clothes
tidy tidies tidied up | aufräumen räumt aufgeräumt | auf hat | person | acc:tidy
throw throws thrown away | wegwerfen wirft weggeworfen | weg hat | person | acc:thing
wake wakes woken - | aufwecken weckt aufgeweckt | auf hat | being | acc:being
look looks looked at | ansehen sieht angesehen | an hat | being | acc:being/thing
light lights lit - | anzünden zündet angezündet | an hat | person | acc:light how:work
bring brings brought along | mitbringen bringt mitgebracht | mit hat | person | acc:thing/food

help helps helped - | helfen hilft geholfen | - hat | being | dat:being
follow follows followed - | folgen folgt gefolgt | - ist | being | dat:being
thank thanks thanked - | danken dankt gedankt | - hat | person | dat:person
trust trusts trusted - | vertrauen vertraut vertraut | - hat | person | dat:person state
answer answers answered - | antworten antwortet geantwortet | - hat | person | dat:person
listen listens listened to | zuhören hört zugehört | zu hat | being | dat:person/singer

give gives given - | geben gibt gegeben | - hat | person | dat:being acc:thing/food
show shows shown - | zeigen zeigt gezeigt | - hat | person | dat:person acc:thing
send sends sent - | schicken schickt geschickt | - hat | person | dat:person acc:thing
bring brings brought - | bringen bringt gebracht | - hat | person | dat:person acc:thing/food
lend lends lent - | leihen leiht geliehen | - hat | person | dat:person acc:thing
"""

# English base form, third person | German infinitive, third person, first person | what follows:
# a clause with `that`, an indirect question, or an infinitive with `to`.
ATTITUDES = """
know knows | wissen weiß weiß | that question
believe believes | glauben glaubt glaube | that
say says | sagen sagt sage | that
hope hopes | hoffen hofft hoffe | that to
think thinks | denken denkt denke | that
hear hears | hören hört höre | that
ask asks | fragen fragt frage | question
forget forgets | vergessen vergisst vergesse | to
try tries | versuchen versucht versuche | to
begin begins | beginnen beginnt beginne | to
promise promises | versprechen verspricht verspreche | to
"""
