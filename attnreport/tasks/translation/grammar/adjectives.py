"""The adjectives of the storybook language, as a table.

A line is: rank, English | German, its stem before an ending | English comparative, German
comparative | classes of the nouns it fits. A dash stands for a comparative that is not used. Of two
adjectives before a noun the one of lower rank comes first: a *beautiful old*, a *small red* thing.
"""

ADJECTIVES = """
1 quick     | schnell    schnell    | quicker schneller   | animal playful
4 brown     | braun      braun      | -                   | animal clothes lid
1 lazy      | faul       faul       | -                   | being
3 old       | alt        alt        | older älter         | being thing place
3 young     | jung       jung       | younger jünger      | being
2 small     | klein      klein      | smaller kleiner     | being thing place fruit
2 big       | groß       groß       | bigger größer       | being thing place food
1 tired     | müde       müd        | -                   | being
1 hungry    | hungrig    hungrig    | -                   | being
1 thirsty   | durstig    durstig    | -                   | being
1 clever    | klug       klug       | cleverer klüger     | being
1 brave     | mutig      mutig      | braver mutiger      | being
1 happy     | glücklich  glücklich  | happier glücklicher | being
1 sad       | traurig    traurig    | sadder trauriger    | being
1 friendly  | freundlich freundlich | -                   | being
1 angry     | wütend     wütend     | -                   | being
1 curious   | neugierig  neugierig  | -                   | being
1 shy       | schüchtern schüchtern | -                   | being
1 strong    | stark      stark      | stronger stärker    | being
2 fat       | dick       dick       | -                   | animal
3 wild      | wild       wild       | -                   | animal
4 white     | weiß       weiß       | -                   | animal clothes fence
4 black     | schwarz    schwarz    | -                   | animal clothes lid
4 gray      | grau       grau       | -                   | animal stone
1 rich      | reich      reich      | richer reicher      | person
1 poor      | arm        arm        | -                   | person
1 famous    | berühmt    berühmt    | -                   | person
1 sick      | krank      krank      | -                   | person
4 red       | rot        rot        | -                   | thing fruit
4 green     | grün       grün       | -                   | thing fruit place
4 blue      | blau       blau       | -                   | thing
4 yellow    | gelb       gelb       | -                   | thing
3 new       | neu        neu        | newer neuer         | thing
1 expensive | teuer      teur       | -                   | thing
1 heavy     | schwer     schwer     | heavier schwerer    | thing
1 beautiful | schön      schön      | -                   | thing person place
4 golden    | golden     golden     | -                   | jewel small
1 strange   | seltsam    seltsam    | -                   | being thing place
3 dirty     | schmutzig  schmutzig  | -                   | clothes animal
3 broken    | kaputt     kaputt     | -                   | thing
3 empty     | leer       leer       | -                   | lid room
3 dark      | dunkel     dunkl      | darker dunkler      | room
2 high      | hoch       hoh        | -                   | wall roof fence tower
3 warm      | warm       warm       | -                   | mass room clothes
3 cold      | kalt       kalt       | -                   | mass room waters
3 sweet     | süß        süß        | -                   | sweet fruit drink
3 fresh     | frisch     frisch     | -                   | food drink
"""
