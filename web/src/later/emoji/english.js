// Written by check/emoji.mjs from emojibase-data (MIT).

export const ENGLISH = `grinning face
grinning face with big eyes
grinning face with smiling eyes
beaming face with smiling eyes
grinning squinting face
grinning face with sweat
rolling on the floor laughing
face with tears of joy
slightly smiling face
upside-down face
melting face
winking face
smiling face with smiling eyes
smiling face with halo
smiling face with hearts
smiling face with heart-eyes
star-struck
face blowing a kiss
kissing face
smiling face
kissing face with closed eyes
kissing face with smiling eyes
smiling face with tear
face savoring food
face with tongue
winking face with tongue
zany face
squinting face with tongue
money-mouth face
smiling face with open hands
face with hand over mouth
face with open eyes and hand over mouth
face with peeking eye
shushing face
thinking face
saluting face
zipper-mouth face
face with raised eyebrow
neutral face
expressionless face
face without mouth
dotted line face
face in clouds
smirking face
unamused face
face with rolling eyes
grimacing face
face exhaling
lying face
shaking face
relieved face
pensive face
sleepy face
drooling face
sleeping face
face with medical mask
face with thermometer
face with head-bandage
nauseated face
face vomiting
sneezing face
hot face
cold face
woozy face
face with crossed-out eyes
exploding head
cowboy hat face
partying face
disguised face
smiling face with sunglasses
nerd face
face with monocle
confused face
face with diagonal mouth
worried face
slightly frowning face
frowning face
face with open mouth
hushed face
astonished face
flushed face
pleading face
face holding back tears
frowning face with open mouth
anguished face
fearful face
anxious face with sweat
sad but relieved face
crying face
loudly crying face
face screaming in fear
confounded face
persevering face
disappointed face
downcast face with sweat
weary face
tired face
yawning face
face with steam from nose
enraged face
angry face
face with symbols on mouth
smiling face with horns
angry face with horns
skull
skull and crossbones
pile of poo
clown face
ogre
goblin
ghost
alien
alien monster
robot
grinning cat
grinning cat with smiling eyes
cat with tears of joy
smiling cat with heart-eyes
cat with wry smile
kissing cat
weary cat
crying cat
pouting cat
see-no-evil monkey
hear-no-evil monkey
speak-no-evil monkey
love letter
heart with ribbon
sparkling heart
growing heart
beating heart
revolving hearts
two hearts
heart decoration
heart exclamation
broken heart
heart on fire
mending heart
red heart
pink heart
orange heart
yellow heart
green heart
blue heart
light blue heart
purple heart
brown heart
black heart
grey heart
white heart
kiss mark
hundred points
anger symbol
collision
dizzy
sweat droplets
dashing away
hole
speech balloon
eye in speech bubble
left speech bubble
right anger bubble
thought balloon
zzz
waving hand
raised back of hand
hand with fingers splayed
raised hand
vulcan salute
rightwards hand
leftwards hand
palm down hand
palm up hand
leftwards pushing hand
rightwards pushing hand
ok hand
pinched fingers
pinching hand
victory hand
crossed fingers
hand with index finger and thumb crossed
love-you gesture
sign of the horns
call me hand
backhand index pointing left
backhand index pointing right
backhand index pointing up
middle finger
backhand index pointing down
index pointing up
index pointing at the viewer
thumbs up
thumbs down
raised fist
left-facing fist
right-facing fist
clapping hands
raising hands
heart hands
open hands
palms up together
handshake
folded hands
writing hand
nail polish
selfie
flexed biceps
mechanical arm
mechanical leg
leg
foot
ear
ear with hearing aid
nose
brain
anatomical heart
lungs
tooth
bone
eyes
eye
tongue
mouth
biting lip
baby
child
boy
girl
person
older person
old man
old woman
person frowning
person pouting
person gesturing no
person gesturing ok
person tipping hand
person raising hand
deaf person
deaf man
deaf woman
person bowing
person facepalming
person shrugging
health worker
student
teacher
farmer
cook
scientist
technologist
singer
artist
pilot
astronaut
firefighter
police officer
detective
construction worker
prince
princess
pregnant woman
pregnant man
pregnant person
person feeding baby
baby angel
santa claus
mrs. claus
mx claus
superhero
mage
fairy
vampire
merman
mermaid
elf
zombie
person walking
person standing
person running
woman dancing
man dancing
people with bunny ears
person in steamy room
person climbing
person swimming
person biking
person mountain biking
person cartwheeling
person juggling
people holding hands
kiss
couple with heart
speaking head
bust in silhouette
busts in silhouette
people hugging
footprints
monkey face
monkey
gorilla
orangutan
dog face
dog
guide dog
service dog
poodle
wolf
fox
raccoon
cat face
cat
black cat
lion
tiger face
tiger
leopard
horse face
moose
donkey
horse
unicorn
zebra
deer
bison
cow face
ox
water buffalo
cow
pig face
pig
boar
pig nose
ram
ewe
goat
camel
two-hump camel
llama
giraffe
elephant
mammoth
rhinoceros
hippopotamus
mouse face
mouse
rat
hamster
rabbit face
rabbit
chipmunk
beaver
hedgehog
bat
bear
polar bear
koala
panda
sloth
otter
skunk
kangaroo
badger
paw prints
turkey
chicken
rooster
hatching chick
baby chick
front-facing baby chick
bird
penguin
dove
eagle
duck
swan
owl
dodo
feather
flamingo
peacock
parrot
wing
black bird
goose
frog
crocodile
turtle
lizard
snake
dragon face
dragon
sauropod
t-rex
spouting whale
whale
dolphin
seal
fish
tropical fish
blowfish
shark
octopus
coral
jellyfish
crab
lobster
shrimp
squid
oyster
snail
butterfly
bug
ant
honeybee
beetle
lady beetle
cricket
cockroach
spider
spider web
scorpion
mosquito
fly
worm
microbe
bouquet
cherry blossom
white flower
lotus
rose
wilted flower
hibiscus
sunflower
blossom
tulip
seedling
potted plant
evergreen tree
deciduous tree
palm tree
cactus
sheaf of rice
herb
four leaf clover
maple leaf
fallen leaf
leaf fluttering in wind
empty nest
nest with eggs
mushroom
grapes
melon
watermelon
tangerine
lemon
banana
pineapple
mango
red apple
green apple
pear
peach
cherries
strawberry
blueberries
kiwi fruit
tomato
olive
coconut
avocado
eggplant
potato
carrot
ear of corn
hot pepper
bell pepper
cucumber
leafy green
broccoli
garlic
onion
peanuts
beans
chestnut
ginger root
pea pod
bread
croissant
baguette bread
flatbread
pretzel
bagel
pancakes
waffle
cheese wedge
meat on bone
poultry leg
cut of meat
bacon
hamburger
french fries
pizza
hot dog
sandwich
taco
burrito
tamale
stuffed flatbread
falafel
egg
cooking
shallow pan of food
pot of food
fondue
bowl with spoon
green salad
popcorn
butter
salt
canned food
bento box
rice ball
cooked rice
curry rice
steaming bowl
spaghetti
roasted sweet potato
sushi
fried shrimp
fish cake with swirl
moon cake
dumpling
fortune cookie
takeout box
soft ice cream
shaved ice
ice cream
doughnut
cookie
birthday cake
shortcake
cupcake
pie
chocolate bar
candy
lollipop
custard
honey pot
baby bottle
glass of milk
hot beverage
teapot
teacup without handle
sake
bottle with popping cork
wine glass
cocktail glass
tropical drink
beer mug
clinking beer mugs
clinking glasses
tumbler glass
pouring liquid
cup with straw
bubble tea
beverage box
mate
ice
chopsticks
fork and knife with plate
fork and knife
spoon
kitchen knife
jar
globe showing europe-africa
globe showing americas
globe showing asia-australia
world map
compass
snow-capped mountain
mountain
volcano
mount fuji
camping
beach with umbrella
desert
desert island
national park
stadium
building construction
houses
house
house with garden
office building
hospital
bank
hotel
school
factory
castle
wedding
tokyo tower
statue of liberty
church
mosque
hindu temple
synagogue
fountain
tent
night with stars
cityscape
sunrise over mountains
sunrise
cityscape at dusk
sunset
bridge at night
hot springs
carousel horse
playground slide
roller coaster
locomotive
high-speed train
train
metro
tram
bus
ambulance
fire engine
police car
taxi
automobile
tractor
racing car
motorcycle
motor scooter
bicycle
kick scooter
skateboard
roller skate
bus stop
fuel pump
police car light
stop sign
construction
anchor
sailboat
speedboat
passenger ship
ship
airplane
helicopter
mountain cableway
rocket
flying saucer
luggage
hourglass done
hourglass not done
watch
alarm clock
stopwatch
new moon
full moon
thermometer
sun
sun with face
ringed planet
star
glowing star
shooting star
milky way
cloud
cloud with lightning and rain
cloud with rain
cloud with snow
cloud with lightning
tornado
fog
wind face
cyclone
rainbow
umbrella
high voltage
snowflake
snowman
snowman without snow
comet
fire
droplet
water wave
jack-o-lantern
christmas tree
fireworks
sparkler
firecracker
sparkles
balloon
party popper
confetti ball
tanabata tree
red envelope
ribbon
wrapped gift
reminder ribbon
admission tickets
ticket
military medal
trophy
sports medal
1st place medal
2nd place medal
3rd place medal
soccer ball
baseball
softball
basketball
volleyball
american football
rugby football
tennis
flying disc
bowling
cricket game
field hockey
ice hockey
lacrosse
ping pong
badminton
boxing glove
martial arts uniform
goal net
flag in hole
ice skate
fishing pole
diving mask
running shirt
skis
sled
curling stone
bullseye
yo-yo
kite
water pistol
pool 8 ball
crystal ball
magic wand
video game
joystick
slot machine
game die
puzzle piece
teddy bear
piñata
mirror ball
nesting dolls
spade suit
heart suit
club suit
chess pawn
joker
mahjong red dragon
flower playing cards
performing arts
framed picture
artist palette
thread
sewing needle
yarn
knot
glasses
sunglasses
goggles
lab coat
safety vest
necktie
t-shirt
jeans
scarf
gloves
coat
socks
dress
shorts
bikini
folding hand fan
purse
handbag
clutch bag
shopping bags
backpack
running shoe
hiking boot
high-heeled shoe
crown
top hat
graduation cap
billed cap
prayer beads
lipstick
ring
gem stone
muted speaker
speaker low volume
speaker medium volume
speaker high volume
loudspeaker
megaphone
postal horn
bell
bell with slash
musical score
musical note
musical notes
studio microphone
level slider
control knobs
microphone
headphone
radio
saxophone
trumpet
accordion
guitar
musical keyboard
violin
banjo
drum
long drum
maracas
flute
mobile phone
telephone
telephone receiver
battery
low battery
electric plug
laptop
desktop computer
printer
keyboard
computer mouse
floppy disk
optical disk
dvd
abacus
movie camera
film projector
clapper board
television
camera
camera with flash
video camera
magnifying glass tilted left
magnifying glass tilted right
candle
light bulb
flashlight
red paper lantern
diya lamp
notebook with decorative cover
closed book
open book
green book
blue book
orange book
books
notebook
page with curl
page facing up
bookmark
coin
money bag
dollar banknote
euro banknote
money with wings
credit card
receipt
envelope
e-mail
incoming envelope
package
postbox
ballot box with ballot
pencil
black nib
fountain pen
pen
paintbrush
crayon
memo
briefcase
calendar
tear-off calendar
chart increasing
chart decreasing
bar chart
pushpin
round pushpin
paperclip
linked paperclips
straight ruler
triangular ruler
scissors
wastebasket
locked
unlocked
locked with pen
locked with key
key
old key
hammer
axe
pick
hammer and pick
hammer and wrench
dagger
crossed swords
bomb
boomerang
shield
carpentry saw
wrench
screwdriver
nut and bolt
gear
balance scale
white cane
link
chains
hook
toolbox
magnet
ladder
test tube
petri dish
dna
microscope
telescope
syringe
drop of blood
pill
adhesive bandage
crutch
stethoscope
x-ray
door
elevator
bed
couch and lamp
toilet
plunger
shower
bathtub
lotion bottle
safety pin
broom
basket
roll of paper
bucket
soap
bubbles
sponge
fire extinguisher
shopping cart
cigarette
coffin
funeral urn
nazar amulet
atm sign
litter in bin sign
restroom
baby symbol
water closet
passport control
customs
baggage claim
left luggage
warning
children crossing
no entry
prohibited
no one under eighteen
radioactive
biohazard
clockwise vertical arrows
place of worship
atom symbol
om
star of david
wheel of dharma
yin yang
latin cross
orthodox cross
star and crescent
peace symbol
menorah
dotted six-pointed star
khanda
cinema
antenna bars
wireless
vibration mode
mobile phone off
female sign
male sign
transgender symbol
multiply
plus
minus
divide
heavy equals sign
infinity
double exclamation mark
exclamation question mark
red question mark
white question mark
white exclamation mark
red exclamation mark
wavy dash
currency exchange
heavy dollar sign
medical symbol
recycling symbol
fleur-de-lis
trident emblem
name badge
check mark button
check box with check
check mark
cross mark
curly loop
double curly loop
part alternation mark
eight-spoked asterisk
eight-pointed star
sparkle
copyright
registered
trade mark
input latin uppercase
input latin lowercase
input numbers
input symbols
input latin letters
a button (blood type)
ab button (blood type)
b button (blood type)
cool button
free button
information
circled m
new button
o button (blood type)
ok button
sos button`;
