// Written by check/emoji.mjs from emojibase-data (MIT).

/** A group a line. */
export const EMOJIS = `smileys 😀 😃 😄 😁 😆 😅 🤣 😂 🙂 🙃 🫠 😉 😊 😇 🥰 😍 🤩 😘 😗 ☺️ 😚 😙 🥲 😋 😛 😜 🤪 😝 🤑 🤗 🤭 🫢 🫣 🤫 🤔 🫡 🤐 🤨 😐 😑 😶 🫥 😶‍🌫️ 😏 😒 🙄 😬 😮‍💨 🤥 🫨 😌 😔 😪 🤤 😴 😷 🤒 🤕 🤢 🤮 🤧 🥵 🥶 🥴 😵 🤯 🤠 🥳 🥸 😎 🤓 🧐 😕 🫤 😟 🙁 ☹️ 😮 😯 😲 😳 🥺 🥹 😦 😧 😨 😰 😥 😢 😭 😱 😖 😣 😞 😓 😩 😫 🥱 😤 😡 😠 🤬 😈 👿 💀 ☠️ 💩 🤡 👹 👺 👻 👽 👾 🤖 😺 😸 😹 😻 😼 😽 🙀 😿 😾 🙈 🙉 🙊 💌 💝 💖 💗 💓 💞 💕 💟 ❣️ 💔 ❤️‍🔥 ❤️‍🩹 ❤️ 🩷 🧡 💛 💚 💙 🩵 💜 🤎 🖤 🩶 🤍 💋 💯 💢 💥 💫 💦 💨 🕳️ 💬 👁️‍🗨️ 🗨️ 🗯️ 💭 💤
people 👋 🤚 🖐️ ✋ 🖖 🫱 🫲 🫳 🫴 🫷 🫸 👌 🤌 🤏 ✌️ 🤞 🫰 🤟 🤘 🤙 👈 👉 👆 🖕 👇 ☝️ 🫵 👍 👎 ✊ 🤛 🤜 👏 🙌 🫶 👐 🤲 🤝 🙏 ✍️ 💅 🤳 💪 🦾 🦿 🦵 🦶 👂 🦻 👃 🧠 🫀 🫁 🦷 🦴 👀 👁️ 👅 👄 🫦 👶 🧒 👦 👧 🧑 🧓 👴 👵 🙍 🙎 🙅 🙆 💁 🙋 🧏 🧏‍♂️ 🧏‍♀️ 🙇 🤦 🤷 🧑‍⚕️ 🧑‍🎓 🧑‍🏫 🧑‍🌾 🧑‍🍳 🧑‍🔬 🧑‍💻 🧑‍🎤 🧑‍🎨 🧑‍✈️ 🧑‍🚀 🧑‍🚒 👮 🕵️ 👷 🤴 👸 🤰 🫃 🫄 🧑‍🍼 👼 🎅 🤶 🧑‍🎄 🦸 🧙 🧚 🧛 🧜‍♂️ 🧜‍♀️ 🧝 🧟 🚶 🧍 🏃 💃 🕺 👯 🧖 🧗 🏊 🚴 🚵 🤸 🤹 🧑‍🤝‍🧑 💏 💑 🗣️ 👤 👥 🫂 👣
nature 🐵 🐒 🦍 🦧 🐶 🐕 🦮 🐕‍🦺 🐩 🐺 🦊 🦝 🐱 🐈 🐈‍⬛ 🦁 🐯 🐅 🐆 🐴 🫎 🫏 🐎 🦄 🦓 🦌 🦬 🐮 🐂 🐃 🐄 🐷 🐖 🐗 🐽 🐏 🐑 🐐 🐪 🐫 🦙 🦒 🐘 🦣 🦏 🦛 🐭 🐁 🐀 🐹 🐰 🐇 🐿️ 🦫 🦔 🦇 🐻 🐻‍❄️ 🐨 🐼 🦥 🦦 🦨 🦘 🦡 🐾 🦃 🐔 🐓 🐣 🐤 🐥 🐦 🐧 🕊️ 🦅 🦆 🦢 🦉 🦤 🪶 🦩 🦚 🦜 🪽 🐦‍⬛ 🪿 🐸 🐊 🐢 🦎 🐍 🐲 🐉 🦕 🦖 🐳 🐋 🐬 🦭 🐟 🐠 🐡 🦈 🐙 🪸 🪼 🦀 🦞 🦐 🦑 🦪 🐌 🦋 🐛 🐜 🐝 🪲 🐞 🦗 🪳 🕷️ 🕸️ 🦂 🦟 🪰 🪱 🦠 💐 🌸 💮 🪷 🌹 🥀 🌺 🌻 🌼 🌷 🌱 🪴 🌲 🌳 🌴 🌵 🌾 🌿 🍀 🍁 🍂 🍃 🪹 🪺 🍄
food 🍇 🍈 🍉 🍊 🍋 🍌 🍍 🥭 🍎 🍏 🍐 🍑 🍒 🍓 🫐 🥝 🍅 🫒 🥥 🥑 🍆 🥔 🥕 🌽 🌶️ 🫑 🥒 🥬 🥦 🧄 🧅 🥜 🫘 🌰 🫚 🫛 🍞 🥐 🥖 🫓 🥨 🥯 🥞 🧇 🧀 🍖 🍗 🥩 🥓 🍔 🍟 🍕 🌭 🥪 🌮 🌯 🫔 🥙 🧆 🥚 🍳 🥘 🍲 🫕 🥣 🥗 🍿 🧈 🧂 🥫 🍱 🍙 🍚 🍛 🍜 🍝 🍠 🍣 🍤 🍥 🥮 🥟 🥠 🥡 🍦 🍧 🍨 🍩 🍪 🎂 🍰 🧁 🥧 🍫 🍬 🍭 🍮 🍯 🍼 🥛 ☕ 🫖 🍵 🍶 🍾 🍷 🍸 🍹 🍺 🍻 🥂 🥃 🫗 🥤 🧋 🧃 🧉 🧊 🥢 🍽️ 🍴 🥄 🔪 🫙
travel 🌍 🌎 🌏 🗺️ 🧭 🏔️ ⛰️ 🌋 🗻 🏕️ 🏖️ 🏜️ 🏝️ 🏞️ 🏟️ 🏗️ 🏘️ 🏠 🏡 🏢 🏥 🏦 🏨 🏫 🏭 🏰 💒 🗼 🗽 ⛪ 🕌 🛕 🕍 ⛲ ⛺ 🌃 🏙️ 🌄 🌅 🌆 🌇 🌉 ♨️ 🎠 🛝 🎢 🚂 🚄 🚆 🚇 🚊 🚌 🚑 🚒 🚓 🚕 🚗 🚜 🏎️ 🏍️ 🛵 🚲 🛴 🛹 🛼 🚏 ⛽ 🚨 🛑 🚧 ⚓ ⛵ 🚤 🛳️ 🚢 ✈️ 🚁 🚠 🚀 🛸 🧳 ⌛ ⏳ ⌚ ⏰ ⏱️ 🌑 🌕 🌡️ ☀️ 🌞 🪐 ⭐ 🌟 🌠 🌌 ☁️ ⛈️ 🌧️ 🌨️ 🌩️ 🌪️ 🌫️ 🌬️ 🌀 🌈 ☂️ ⚡ ❄️ ☃️ ⛄ ☄️ 🔥 💧 🌊
activities 🎃 🎄 🎆 🎇 🧨 ✨ 🎈 🎉 🎊 🎋 🧧 🎀 🎁 🎗️ 🎟️ 🎫 🎖️ 🏆 🏅 🥇 🥈 🥉 ⚽ ⚾ 🥎 🏀 🏐 🏈 🏉 🎾 🥏 🎳 🏏 🏑 🏒 🥍 🏓 🏸 🥊 🥋 🥅 ⛳ ⛸️ 🎣 🤿 🎽 🎿 🛷 🥌 🎯 🪀 🪁 🔫 🎱 🔮 🪄 🎮 🕹️ 🎰 🎲 🧩 🧸 🪅 🪩 🪆 ♠️ ♥️ ♣️ ♟️ 🃏 🀄 🎴 🎭 🖼️ 🎨 🧵 🪡 🧶 🪢
objects 👓 🕶️ 🥽 🥼 🦺 👔 👕 👖 🧣 🧤 🧥 🧦 👗 🩳 👙 🪭 👛 👜 👝 🛍️ 🎒 👟 🥾 👠 👑 🎩 🎓 🧢 📿 💄 💍 💎 🔇 🔈 🔉 🔊 📢 📣 📯 🔔 🔕 🎼 🎵 🎶 🎙️ 🎚️ 🎛️ 🎤 🎧 📻 🎷 🎺 🪗 🎸 🎹 🎻 🪕 🥁 🪘 🪇 🪈 📱 ☎️ 📞 🔋 🪫 🔌 💻 🖥️ 🖨️ ⌨️ 🖱️ 💾 💿 📀 🧮 🎥 📽️ 🎬 📺 📷 📸 📹 🔍 🔎 🕯️ 💡 🔦 🏮 🪔 📔 📕 📖 📗 📘 📙 📚 📓 📃 📄 🔖 🪙 💰 💵 💶 💸 💳 🧾 ✉️ 📧 📨 📦 📮 🗳️ ✏️ ✒️ 🖋️ 🖊️ 🖌️ 🖍️ 📝 💼 📅 📆 📈 📉 📊 📌 📍 📎 🖇️ 📏 📐 ✂️ 🗑️ 🔒 🔓 🔏 🔐 🔑 🗝️ 🔨 🪓 ⛏️ ⚒️ 🛠️ 🗡️ ⚔️ 💣 🪃 🛡️ 🪚 🔧 🪛 🔩 ⚙️ ⚖️ 🦯 🔗 ⛓️ 🪝 🧰 🧲 🪜 🧪 🧫 🧬 🔬 🔭 💉 🩸 💊 🩹 🩼 🩺 🩻 🚪 🛗 🛏️ 🛋️ 🚽 🪠 🚿 🛁 🧴 🧷 🧹 🧺 🧻 🪣 🧼 🫧 🧽 🧯 🛒 🚬 ⚰️ ⚱️ 🧿
symbols 🏧 🚮 🚻 🚼 🚾 🛂 🛃 🛄 🛅 ⚠️ 🚸 ⛔ 🚫 🔞 ☢️ ☣️ 🔃 🛐 ⚛️ 🕉️ ✡️ ☸️ ☯️ ✝️ ☦️ ☪️ ☮️ 🕎 🔯 🪯 🎦 📶 🛜 📳 📴 ♀️ ♂️ ⚧️ ✖️ ➕ ➖ ➗ 🟰 ♾️ ‼️ ⁉️ ❓ ❔ ❕ ❗ 〰️ 💱 💲 ⚕️ ♻️ ⚜️ 🔱 📛 ✅ ☑️ ✔️ ❌ ➰ ➿ 〽️ ✳️ ✴️ ❇️ ©️ ®️ ™️ 🔠 🔡 🔢 🔣 🔤 🅰️ 🆎 🅱️ 🆒 🆓 ℹ️ Ⓜ️ 🆕 🅾️ 🆗 🆘`;

/** The name of each, and words, in the same order. */
export const ENGLISH = `grinning face
grinning face with big eyes
grinning face with smiling eyes
beaming face with smiling eyes
grinning squinting face
grinning face with sweat
rolling on the floor laughing,crying
face with tears of joy,crying
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
sleepy face,crying
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
weary face,crying
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
grinning cat,animal
grinning cat with smiling eyes,animal
cat with tears of joy,animal
smiling cat with heart-eyes,animal
cat with wry smile,animal
kissing cat,animal
weary cat,animal
crying cat,animal
pouting cat,animal
see-no-evil monkey
hear-no-evil monkey,animal
speak-no-evil monkey,animal
love letter
heart with ribbon
sparkling heart,emotion
growing heart,emotion
beating heart
revolving hearts
two hearts
heart decoration,emotion
heart exclamation
broken heart
heart on fire
mending heart
red heart,emotion
pink heart
orange heart
yellow heart
green heart,emotion
blue heart,emotion
light blue heart
purple heart
brown heart
black heart
grey heart,emotion
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
export const RUSSIAN = `широко улыбается
смеется
смеется с закрытыми глазами
светится от счастья
смеется с прищуренными глазами
нервно смеется
катается со смеху,глаза
смеется до слез,глаза
слегка улыбается
вверх тормашками
тает
подмигивает
довольно улыбается,глаза
с нимбом
улыбающееся лицо с сердечками
влюбленное лицо
звезды в глазах
воздушный поцелуй
целует
улыбается
целует с закрытыми глазами
счастливый поцелуй,глаза
улыбающееся лицо со слезой
вкусно
показывает язык
показывает язык и подмигивает
сумасшедшее лицо
морщится и показывает язык
деньги в глазах
обнимает
прикрывает рот рукой
прикрывает рот рукой с открытыми глазами
подсматривает
тс-с-с
думает
воинское приветствие
рот на замке
не верит
все равно
без эмоций
лицо без рта
лицо пунктиром
лицо в облаках
ухмыляется
скучает
закатывает глаза
гримаса
выдыхает
лжец
трясущееся лицо
испытывает облегчение
размышляет,грустный
хочет спать
пускает слюни
спит
в медицинской маске
с градусником во рту
с перевязанной головой
тошнит
рвота
чихает
жар
мерзнет
чувствует головокружение
головокружение
взрыв мозга
в ковбойской шляпе
на вечеринке
маскировка
лицо в темных очках
очкарик
с моноклем
в замешательстве
с перекошенным ртом
беспокоится
немного грустит,грустный
грустит,грустный
удивление
неприятный сюрприз
в шоке,глаза
краснеет
умоляет
еле сдерживает слезы
в изумлении
страдает
боится
сильно беспокоится
обошлось
плачет,грустный
слезы рекой
в ужасе
в растерянности
упорство
разочарование
в холодном поту
усталость
сильная усталость
зевает
в ожидании успеха
злится
сердится
цензура
улыбающийся чертенок
злой чертенок
череп
череп и кости
какашка
клоун
чудовище
японский гоблин
привидение
инопланетянин
космический монстр
робот
улыбающийся кот
смеющийся кот,глаза
смеющийся до слез кот
влюбленный кот
ухмыляющийся кот
целующий кот,глаза
кот в шоке
плачущий кот
злой кот
ничего не вижу,глаза
ничего не слышу
ничего никому не скажу
любовное письмо
сердце с лентой
сверкающее сердце
растущее сердце
пульсирующее сердце
вращающиеся сердца
два сердца
значок «сердце»
восклицательный знак в виде сердца
разбитое сердце
горящее сердце,любовь
заживающее сердце
алое сердце
розовое сердце
оранжевое сердце,любовь
желтое сердце,любовь
зеленое сердце,любовь
синее сердце
голубое сердце
фиолетовое сердце,любовь
коричневое сердце,любовь
черное сердце
серое сердце,любовь
белое сердце,любовь
след от поцелуя
сто баллов
значок «гнев»
взрыв
кружащаяся звезда
капли пота
исчезновение
дыра
облачко с многоточием
значок свидетеля
пустое облачко
гневное облачко
облачко с мыслями
сон
машет рукой
поднятая рука
раскрытая ладонь
поднятая ладонь
вулканский салют
рука вправо
рука влево
рука ладонью вниз
рука ладонью вверх
рука ладонью влево
рука ладонью вправо
жест «все хорошо»
щепоть
жест «мало»
жест v
скрещенные пальцы
жест «деньги»
я-тебя-люблю
рокерский жест
жест «позвони мне»
указывающий налево палец
указывающий направо палец
указывающий вверх палец
средний палец
указывающий вниз палец
указательный палец вверх
указательный палец на себя
большой палец вверх
большой палец вниз
поднятый кулак
кулак влево
кулак вправо
аплодисменты
ура
жест «сердце»
ладони в стороны
ладони лодочкой
рукопожатие
сложенные руки
пишущая рука
маникюр
селфи
бицепс
механическая рука
механическая нога
нога
щиколотка
ухо
ухо со слуховым аппаратом
нос
мозг
сердце человека
легкие
зуб
кость
глаза
глаз
язык
рот
кусать губы
младенец
ребенок
мальчик
девочка
взрослый
пожилой человек
пожилой мужчина
пожилая женщина
нахмурившийся человек
обиженный человек
человек против
человек за
человек тянет руку
человек с поднятой рукой
глухой человек
глухой мужчина
глухая женщина
человек кланяется
человек потерял дар речи
человек пожимает плечами
медицинский работник
учащийся
педагог
фермер
повар
ученый
инженер
певец
художник
пилот
космонавт
пожарный
полицейский
детектив
строитель
принц
принцесса
беременная женщина
беременный мужчина
беременный человек
кормящий человек
ангелочек
санта-клаус
миссис клаус
санта
супергерой
маг
фея
вампир
тритон
женщина-русалка
эльф
зомби
человек идет
человек стоит
человек бежит
танцующая женщина
танцующий мужчина
люди с ушами кролика
человек в бане
человек взбирается по скале
плавание
велосипедист
человек на горном велосипеде
акробатический трюк
жонглер
люди держащиеся за руки
поцелуй
влюбленная пара
говорящая голова
силуэт человека
два силуэта
обнимающиеся люди
следы
морда обезьяны
обезьяна
горилла
орангутан
морда собаки
собака
собака-поводырь
служебная собака
пудель
морда волка
морда лисицы
морда енота
морда кошки
кошка
черная кошка
морда льва
морда тигра
тигр
леопард
морда лошади
лось
осел
лошадь
голова единорога
зебра
олень
бизон
морда коровы
бык
буйвол
корова
морда свиньи
свинья
кабан
свиной пятачок
баран
овца
коза
одногорбый верблюд
двугорбый верблюд
лама
жираф
слон
мамонт
носорог
гиппопотам
морда мыши
мышь
крыса
морда хомяка
морда кролика
кролик
бурундук
бобр
еж
летучая мышь
морда медведя
морда белого медведя
морда коалы
морда панды
ленивец
выдра
скунс
кенгуру
барсук
следы животного
индейка
курица
петух
цыпленок в яйце
цыпленок боком
цыпленок
птица
пингвин
голубь
орел
утка
лебедь
сова
дронт
перо
фламинго
павлин
попугай
крыло
черная птица
гусь
голова лягушки
крокодил
черепаха
ящерица
змея
голова дракона
дракон
зауропод
ти-рекс
кит с фонтанчиком
кит
дельфин
тюлень
рыба
тропическая рыба
рыба-еж
акула
осьминог
коралл
медуза
краб
омар
креветка
кальмар
устрица
улитка
бабочка
гусеница
муравей
пчела
жук
божья коровка
сверчок
таракан
паук
паутина
скорпион
комар
муха
червяк
микроб
букет
цветок вишни
белый цветок
лотос
роза
увядший цветок
гибискус
подсолнух
цветок
тюльпан
росток
растение в горшке
елка
дерево
пальма
кактус
колос
веточка
четырехлистный клевер
кленовый лист
падающие листья
листья на ветру
пустое гнездо
гнездо с яйцами
гриб
виноград
дыня
арбуз
мандарин
лимон
банан
ананас
манго
красное яблоко
зеленое яблоко
груша
персик
вишня
клубника
голубика
киви
помидор
оливка
кокос
авокадо
баклажан
картофель
морковь
кукурузный початок
острый перец
болгарский перец
огурец
зеленый салат
брокколи
чеснок
лук
арахис
фасоль
каштан
корень имбиря
стручок гороха
хлеб
круассан
багет
лепешка
крендель
бублик
блины
вафля
сыр
мясо на косточке
куриная ножка
кусок мяса
бекон
гамбургер
картофель фри
пицца
хот-дог
сэндвич
тако
буррито
тамале
шаурма
фалафель
яйцо
яичница на сковороде
рагу в сковороде
кастрюля с горячей едой
фондю
миска с ложкой
овощной салат
попкорн
масло
солонка
консервы
бэнто
онигири
рис
рис с карри
лапша
спагетти
печеный сладкий картофель
суши
жареная креветка
камабоко
лунный пирог
вареник
печенье с предсказанием
коробка для еды на вынос
мороженое в стаканчике
мороженое в креманке
мороженое
пончик
печенье
торт ко дню рождения
кусочек торта
капкейк
пирог
шоколад
конфета
леденец
пудинг
мед
бутылочка с соской
стакан молока
горячий напиток
чайник
чашка без ручки
бутылка саке
шампанское
бокал вина
коктейль
тропический коктейль
кружка пива
чокающиеся кружки
чокающиеся бокалы
стакан с виски
стакан с жидкостью
стакан с соломинкой
чай с шариками
пакетик сока
мате
кубик льда
палочки для еды
тарелка с приборами
вилка и нож
ложка
нож
банка
европа и африка на земном шаре
америка на земном шаре
азия и австралия на земном шаре
карта мира
компас
гора со снежной шапкой
гора
вулкан
фудзияма
кемпинг
пляж
пустыня
остров
национальный парк
стадион
стройка
дома
дом
дом с садом
офисное здание
больница
банк
гостиница
школа
завод
замок
свадьба
токийская башня
статуя свободы
церковь
мечеть
индуистский храм
синагога
фонтан
палатка
звездная ночь
вид на город
восход солнца над горами
восход
закат в городе
закат
мост ночью
горячие источники
лошадь на карусели
детская горка
американские горки
паровоз
скоростной поезд
поезд
метро
трамвай
автобус
машина скорой помощи
пожарная машина
полицейская машина
такси
автомобиль
трактор
гоночный автомобиль
мотоцикл
скутер
велосипед
самокат
скейтборд
роликовые коньки
автобусная остановка
заправка
мигалка
знак «стоп»
строительные работы
якорь
парусник
катер
пассажирский лайнер
корабль
самолет
вертолет
вагон фуникулера
ракета
летающая тарелка
багаж
песочные часы
время пошло
наручные часы
будильник
секундомер
новолуние
полнолуние
термометр
солнце
солнце с лицом
планета с кольцом
желтая звезда
сияющая звезда
падающая звезда
млечный путь
облако
гроза
дождь
снег
молния
торнадо
густой туман
дует ветер
циклон
радуга
зонт
высокое напряжение
снежинка
снеговик под снегом
снеговик
комета
огонь
капля
волна
тыква-фонарь
новогодняя елка
фейерверк
бенгальский огонь
динамитная шашка
блестки
воздушный шарик
хлопушка
конфетти
бамбук с бумажными лентами
красный конверт
бантик
подарок
памятная лента
билеты
билет
военная медаль
кубок
спортивная медаль
золотая медаль
серебряная медаль
бронзовая медаль
футбол
бейсбол
софтбол
баскетбол
волейбол
американский футбол
регби
теннис
летающий диск
боулинг
крикет
хоккей на траве
хоккей
лакросс
настольный теннис
бадминтон
боксерская перчатка
спортивное кимоно
спортивные ворота
гольф
коньки
удочка с рыбой
маска с трубкой
футболка для бега
лыжи
санки
керлинг
мишень
йо-йо
воздушный змей
водяной пистолет
бильярд
хрустальный шар
волшебная палочка
видеоигры
джойстик
игровой автомат
игральная кость
пазл
плюшевый мишка
пиньята
диско-шар
матрешка
пики
червы
трефы
пешка
джокер
маджонг
цветочная карта
маски
картина
палитра с красками
катушка ниток
швейная игла
клубок
узел
очки
солнечные очки
защитные очки
лабораторный халат
спасательный жилет
галстук
футболка
джинсы
шарф
перчатки
пальто
носки
платье
шорты
бикини
веер
кошелек
сумка
клатч
пакеты
ранец
кроссовки
треккинговый ботинок
туфли на каблуке
корона
цилиндр
шапочка выпускника
бейсболка
четки
помада
кольцо
драгоценный камень
без звука
низкая громкость
средняя громкость
высокая громкость
громкоговоритель
мегафон
почтовый рожок
колокольчик
перечеркнутый колокольчик
нотный стан
нота
ноты
студийный микрофон
слайдер
регуляторы
микрофон
наушники
радио
саксофон
труба
аккордеон
гитара
клавишные
скрипка
банджо
барабан
конга
маракасы
флейта
мобильный телефон
телефон
телефонная трубка
батарейка
низкий уровень заряда
вилка
ноутбук
компьютер
принтер
клавиатура
мышка
дискета
cd
dvd
счеты
кинокамера
кинопроектор
хлопушка-нумератор
телевизор
фотоаппарат
фотоаппарат со вспышкой
видеокамера
лупа наклоненная влево
лупа наклоненная вправо
свеча
лампочка
фонарик
красный бумажный фонарик
масляная лампа
записная книжка
закрытая книга
открытая книга
зеленая книга
синяя книга
оранжевая книга
книги
тетрадь
страница с загибом
страница
закладка
монета
мешок денег
банкнота доллара
банкнота евро
банкнота с крылышками
кредитная карта
чек
конверт
электронная почта
входящее письмо
посылка
почтовый ящик
избирательная урна
карандаш
перьевой наконечник
перьевая ручка
шариковая ручка
кисточка
восковой мелок
заметка
портфель
календарь
отрывной календарь
диаграмма роста
диаграмма падения
гистограмма
канцелярская кнопка
канцелярская кнопка с шариком
скрепка
скрепки
линейка
линейка-треугольник
ножницы
корзина для мусора
закрытый замок
открытый замок
закрытый замок с перьевой ручкой
закрытый замок с ключом
ключ
старинный ключ
молоток
топор
кирка
кирка и молот
молот и гаечный ключ
кинжал
скрещенные мечи
бомба
бумеранг
щит
пила по дереву
гаечный ключ
отвертка
болт и гайка
шестеренка
весы
белая трость
гиперссылка
цепь
крюк
ящик для инструментов
магнит
лестница
пробирка
чашка петри
днк
микроскоп
телескоп
шприц
капля крови
пилюля
пластырь
костыль
стетоскоп
рентген
дверь
лифт
кровать
диван и торшер
унитаз
вантуз
душ
ванна
бутылка лосьона
английская булавка
метла
корзина
рулон бумаги
ведро
мыло
пузыри
губка
огнетушитель
тележка для покупок
сигарета
гроб
урна с прахом
назар бонджук
значок банкомата
бросайте мусор в урну
уборная
пеленальная
туалет
паспортный контроль
таможня
получение багажа
забытый багаж
значок предупреждения
знак «дети»
въезд запрещен
запрещено
для людей старше восемнадцати лет
радиация
биологическая угроза
по часовой стрелке
религия
символ атома
ом
звезда давида
колесо дхармы
инь-ян
латинский крест
православный крест
звезда и полумесяц
пацифик
менора
шестиконечная звезда
кханда
видеозапись
сигнал сети
беспроводная сеть
режим вибрации
выключенный телефон
женский символ
мужской символ
трансгендер
знак умножения
знак сложения
знак вычитания
знак деления
жирный знак равенства
бесконечность
два восклицательных знака
восклицательный и вопросительный знаки
красный вопросительный знак
белый вопросительный знак
белый восклицательный знак
красный восклицательный знак
волнистая линия
обмен валюты
жирный знак доллара
медицинский символ
утилизация
геральдическая лилия
трезубец
бейдж
белая галочка
галочка в квадрате
галочка
крестик
петля
двойная петля
вступает другой голос
восьмиконечная звездочка
восьмиконечная звезда
искра
значок защиты авторского права
зарегистрированный товарный знак
товарный знак
ввод прописными
ввод строчными
ввод цифр
ввод символов
ввод латиницей
ii группа крови
iv группа крови
iii группа крови
значок «круто»
значок «бесплатно»
значок информации
буква «м» в кружке
значок «новинка»
i группа крови
значок «ок»
значок sos`;

/** Regions with a flag. The browser knows their names. */
export const FLAGS = 'AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW';
