"""The nouns of the storybook language, as a table.

A line is: English singular, English plural | German singular, German plural, genitive | gender |
classes. A dash stands for a form that is not used. Nouns of the weak declension (*der Bär, den
Bären*) have the gender `m*`: every form but the nominative singular is that of their plural.
"""

NOUNS = """
fox       foxes      | fuchs      füchse      fuchses     | m  | animal hunter low
dog       dogs       | hund       hunde       hundes      | m  | animal hunter low playful swimmer
cat       cats       | katze      katzen      katze       | f  | animal hunter low playful climber
horse     horses     | pferd      pferde      pferdes     | n  | animal swimmer
bird      birds      | vogel      vögel       vogels      | m  | animal flyer singer prey
mouse     mice       | maus       mäuse       maus        | f  | animal low prey playful climber
hare      hares      | hase       hasen       hasen       | m* | animal low prey
bear      bears      | bär        bären       bären       | m* | animal hunter climber swimmer
wolf      wolves     | wolf       wölfe       wolfes      | m  | animal hunter
cow       cows       | kuh        kühe        kuh         | f  | animal
duck      ducks      | ente       enten       ente        | f  | animal flyer low prey swimmer
frog      frogs      | frosch     frösche     frosches    | m  | animal low prey singer swimmer
owl       owls       | eule       eulen       eule        | f  | animal flyer hunter
lion      lions      | löwe       löwen       löwen       | m* | animal hunter
hedgehog  hedgehogs  | igel       igel        igels       | m  | animal low prey
squirrel squirrels | eichhörnchen eichhörnchen eichhörnchens | n | animal low prey climber playful
goat      goats      | ziege      ziegen      ziege       | f  | animal climber
raven     ravens     | rabe       raben       raben       | m* | animal flyer robber
dragon    dragons    | drache     drachen     drachen     | m* | animal flyer hunter

king      kings      | könig      könige      königs      | m  | person host
queen     queens     | königin    königinnen  königin     | f  | person host
prince    princes    | prinz      prinzen     prinzen     | m* | person dancer
princess  princesses | prinzessin prinzessinnen prinzessin | f | person dancer
knight    knights    | ritter     ritter      ritters     | m  | person
wizard    wizards    | zauberer   zauberer    zauberers   | m  | person host
witch     witches    | hexe       hexen       hexe        | f  | person host flyer
thief     thieves    | dieb       diebe       diebes      | m  | person robber climber
farmer    farmers    | bauer      bauern      bauern      | m* | person
baker     bakers     | bäcker     bäcker      bäckers     | m  | person host
sailor    sailors    | matrose    matrosen    matrosen    | m* | person dancer swimmer
hunter    hunters    | jäger      jäger       jägers      | m  | person hunter
painter   painters   | maler      maler       malers      | m  | person
doctor    doctors    | arzt       ärzte       arztes      | m  | person host
man       men        | mann       männer      mannes      | m  | person dancer
woman     women      | frau       frauen      frau        | f  | person dancer
child     children   | kind       kinder      kindes      | n  | person playful climber swimmer
boy       boys       | junge      jungen      jungen      | m* | person playful climber swimmer
girl      girls      | mädchen    mädchen     mädchens    | n  | person playful climber dancer
giant     giants     | riese      riesen      riesen      | m* | person
dwarf     dwarfs     | zwerg      zwerge      zwerges     | m  | person dancer
guest     guests     | gast       gäste       gastes      | m  | person dancer
neighbor  neighbors  | nachbar    nachbarn    nachbarn    | m* | person
grandmother grandmothers | großmutter großmütter großmutter | f | person kin host
grandfather grandfathers | großvater großväter großvaters | m  | person kin host
sister    sisters    | schwester  schwestern  schwester   | f  | person kin dancer
brother   brothers   | bruder     brüder      bruders     | m  | person kin
daughter  daughters  | tochter    töchter     tochter     | f  | person kin
son       sons       | sohn       söhne       sohnes      | m  | person kin
friend    friends    | freund     freunde     freundes    | m  | person kin

ball      balls      | ball       bälle       balles      | m  | thing toy
book      books      | buch       bücher      buches      | n  | thing text writing
letter    letters    | brief      briefe      briefes     | m  | thing text writing
map       maps       | karte      karten      karte       | f  | thing text
key       keys       | schlüssel  schlüssel   schlüssels  | m  | thing small
hat       hats       | hut        hüte        hutes       | m  | thing
coat      coats      | mantel     mäntel      mantels     | m  | thing clothes
dress     dresses    | kleid      kleider     kleides     | n  | thing clothes
shirt     shirts     | hemd       hemden      hemdes      | n  | thing clothes
lantern   lanterns   | laterne    laternen    laterne     | f  | thing light
candle    candles    | kerze      kerzen      kerze       | f  | thing light
chair     chairs     | stuhl      stühle      stuhles     | m  | thing seat
bag       bags       | tasche     taschen     tasche      | f  | thing lid
box       boxes      | kiste      kisten      kiste       | f  | thing lid
basket    baskets    | korb       körbe       korbes      | m  | thing
stone     stones     | stein      steine      steines     | m  | thing small
coin      coins      | münze      münzen      münze       | f  | thing small
ring      rings      | ring       ringe       ringes      | m  | thing small jewel
crown     crowns     | krone      kronen      krone       | f  | thing jewel
sword     swords     | schwert    schwerter   schwertes   | n  | thing
mirror    mirrors    | spiegel    spiegel     spiegels    | m  | thing
picture   pictures   | bild       bilder      bildes      | n  | thing
flower    flowers    | blume      blumen      blume       | f  | thing
treasure  treasures  | schatz     schätze     schatzes    | m  | thing jewel
violin    violins    | geige      geigen      geige       | f  | thing

apple     apples     | apfel      äpfel       apfels      | m  | food fruit
pear      pears      | birne      birnen      birne       | f  | food fruit
cherry    cherries   | kirsche    kirschen    kirsche     | f  | food fruit
nut       nuts       | nuss       nüsse       nuss        | f  | food
cake      cakes      | kuchen     kuchen      kuchens     | m  | food sweet
egg       eggs       | ei         eier        eies        | n  | food hot
potato    potatoes   | kartoffel  kartoffeln  kartoffel   | f  | food hot
bread     -          | brot       -           brotes      | n  | food mass
soup      -          | suppe      -           suppe       | f  | food mass hot
cheese    -          | käse       -           käses       | m  | food mass
honey     -          | honig      -           honigs      | m  | food mass sweet
water     -          | wasser     -           wassers     | n  | drink mass
milk      -          | milch      -           milch       | f  | drink mass
tea       -          | tee        -           tees        | m  | drink mass

garden    -          | garten     -           gartens     | m  | room passage
house     houses     | haus       häuser      hauses      | n  | room large locked
kitchen   -          | küche      -           küche       | f  | room tidy
forest    -          | wald       -           waldes      | m  | room passage
city      -          | stadt      -           stadt       | f  | room passage
castle    castles    | schloss    schlösser   schlosses   | n  | room large landmark locked
barn      -          | scheune    -           scheune     | f  | room large tidy
tower     towers     | turm       türme       turmes      | m  | room large landmark
cellar    -          | keller     -           kellers     | m  | room tidy
room      -          | zimmer     -           zimmers     | n  | room tidy
cave      -          | höhle      -           höhle       | f  | room
village   -          | dorf       -           dorfes      | n  | room passage
hut       huts       | hütte      hütten      hütte       | f  | room large
table     -          | tisch      -           tisches     | m  | surface cover edge
roof      -          | dach       -           daches      | n  | surface
bench     -          | bank       -           bank        | f  | surface cover barrier
bed       -          | bett       -           bettes      | n  | surface cover
hill      -          | hügel      -           hügels      | m  | surface
bridge    -          | brücke     -           brücke      | f  | surface cover landmark crossing
wall      walls      | mauer      mauern      mauer       | f  | surface barrier large
fence     -          | zaun       -           zaunes      | m  | barrier
ditch     -          | graben     -           grabens     | m  | barrier
stream    -          | bach       -           baches      | m  | barrier crossing
river     -          | fluss      -           flusses     | m  | landmark shore waterss
lake      -          | see        -           sees        | m  | landmark shore waters
well      -          | brunnen    -           brunnens    | m  | landmark shore
fire      -          | feuer      -           feuers      | n  | shore light
tree      trees      | baum       bäume       baumes      | m  | cover large
church    -          | kirche     -           kirche      | f  | landmark
window    windows    | fenster    fenster     fensters    | n  | opening passage edge
gate      gates      | tor        tore        tores       | n  | opening passage edge locked
door      doors      | tür        türen       tür         | f  | opening passage edge locked

sun       -          | sonne      -           sonne       | f  | sky
moon      -          | mond       -           mondes      | m  | sky
wind      -          | wind       -           windes      | m  | wind
"""
