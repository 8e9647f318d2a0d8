// Written by check/emoji.mjs from emojibase-data (MIT).

/** The emoji of each group: a line has the picture, its English name and its Russian name. */
export const EMOJIS = {
  smileys: `
😀 | grinning face | широко улыбается
😃 | grinning face with big eyes | смеется
😄 | grinning face with smiling eyes | смеется с закрытыми глазами
😁 | beaming face with smiling eyes | светится от счастья
😆 | grinning squinting face | смеется с прищуренными глазами
😅 | grinning face with sweat | нервно смеется
🤣 | rolling on the floor laughing | катается со смеху
😂 | face with tears of joy | смеется до слез
🙂 | slightly smiling face | слегка улыбается
🙃 | upside-down face | вверх тормашками
🫠 | melting face | тает
😉 | winking face | подмигивает
😊 | smiling face with smiling eyes | довольно улыбается
😇 | smiling face with halo | с нимбом
🥰 | smiling face with hearts | улыбающееся лицо с сердечками
😍 | smiling face with heart-eyes | влюбленное лицо
🤩 | star-struck | звезды в глазах
😘 | face blowing a kiss | воздушный поцелуй
😗 | kissing face | целует
☺️ | smiling face | улыбается
😚 | kissing face with closed eyes | целует с закрытыми глазами
😙 | kissing face with smiling eyes | счастливый поцелуй
🥲 | smiling face with tear | улыбающееся лицо со слезой
😋 | face savoring food | вкусно
😛 | face with tongue | показывает язык
😜 | winking face with tongue | показывает язык и подмигивает
🤪 | zany face | сумасшедшее лицо
😝 | squinting face with tongue | морщится и показывает язык
🤑 | money-mouth face | деньги в глазах
🤗 | smiling face with open hands | обнимает
🤭 | face with hand over mouth | прикрывает рот рукой
🫢 | face with open eyes and hand over mouth | прикрывает рот рукой с открытыми глазами
🫣 | face with peeking eye | подсматривает
🤫 | shushing face | тс-с-с
🤔 | thinking face | думает
🫡 | saluting face | воинское приветствие
🤐 | zipper-mouth face | рот на замке
🤨 | face with raised eyebrow | не верит
😐 | neutral face | все равно
😑 | expressionless face | без эмоций
😶 | face without mouth | лицо без рта
🫥 | dotted line face | лицо пунктиром
😶‍🌫️ | face in clouds | лицо в облаках
😏 | smirking face | ухмыляется
😒 | unamused face | скучает
🙄 | face with rolling eyes | закатывает глаза
😬 | grimacing face | гримаса
😮‍💨 | face exhaling | выдыхает
🤥 | lying face | лжец
🫨 | shaking face | трясущееся лицо
😌 | relieved face | испытывает облегчение
😔 | pensive face | размышляет
😪 | sleepy face | хочет спать
🤤 | drooling face | пускает слюни
😴 | sleeping face | спит
😷 | face with medical mask | в медицинской маске
🤒 | face with thermometer | с градусником во рту
🤕 | face with head-bandage | с перевязанной головой
🤢 | nauseated face | тошнит
🤮 | face vomiting | рвота
🤧 | sneezing face | чихает
🥵 | hot face | жар
🥶 | cold face | мерзнет
🥴 | woozy face | чувствует головокружение
😵 | face with crossed-out eyes | головокружение
🤯 | exploding head | взрыв мозга
🤠 | cowboy hat face | в ковбойской шляпе
🥳 | partying face | на вечеринке
🥸 | disguised face | маскировка
😎 | smiling face with sunglasses | лицо в темных очках
🤓 | nerd face | очкарик
🧐 | face with monocle | с моноклем
😕 | confused face | в замешательстве
🫤 | face with diagonal mouth | с перекошенным ртом
😟 | worried face | беспокоится
🙁 | slightly frowning face | немного грустит
☹️ | frowning face | грустит
😮 | face with open mouth | удивление
😯 | hushed face | неприятный сюрприз
😲 | astonished face | в шоке
😳 | flushed face | краснеет
🥺 | pleading face | умоляет
🥹 | face holding back tears | еле сдерживает слезы
😦 | frowning face with open mouth | в изумлении
😧 | anguished face | страдает
😨 | fearful face | боится
😰 | anxious face with sweat | сильно беспокоится
😥 | sad but relieved face | обошлось
😢 | crying face | плачет
😭 | loudly crying face | слезы рекой
😱 | face screaming in fear | в ужасе
😖 | confounded face | в растерянности
😣 | persevering face | упорство
😞 | disappointed face | разочарование
😓 | downcast face with sweat | в холодном поту
😩 | weary face | усталость
😫 | tired face | сильная усталость
🥱 | yawning face | зевает
😤 | face with steam from nose | в ожидании успеха
😡 | enraged face | злится
😠 | angry face | сердится
🤬 | face with symbols on mouth | цензура
😈 | smiling face with horns | улыбающийся чертенок
👿 | angry face with horns | злой чертенок
💀 | skull | череп
☠️ | skull and crossbones | череп и кости
💩 | pile of poo | какашка
🤡 | clown face | клоун
👹 | ogre | чудовище
👺 | goblin | японский гоблин
👻 | ghost | привидение
👽 | alien | инопланетянин
👾 | alien monster | космический монстр
🤖 | robot | робот
😺 | grinning cat | улыбающийся кот
😸 | grinning cat with smiling eyes | смеющийся кот
😹 | cat with tears of joy | смеющийся до слез кот
😻 | smiling cat with heart-eyes | влюбленный кот
😼 | cat with wry smile | ухмыляющийся кот
😽 | kissing cat | целующий кот
🙀 | weary cat | кот в шоке
😿 | crying cat | плачущий кот
😾 | pouting cat | злой кот
🙈 | see-no-evil monkey | ничего не вижу
🙉 | hear-no-evil monkey | ничего не слышу
🙊 | speak-no-evil monkey | ничего никому не скажу
💌 | love letter | любовное письмо
💝 | heart with ribbon | сердце с лентой
💖 | sparkling heart | сверкающее сердце
💗 | growing heart | растущее сердце
💓 | beating heart | пульсирующее сердце
💞 | revolving hearts | вращающиеся сердца
💕 | two hearts | два сердца
💟 | heart decoration | значок «сердце»
❣️ | heart exclamation | восклицательный знак в виде сердца
💔 | broken heart | разбитое сердце
❤️‍🔥 | heart on fire | горящее сердце
❤️‍🩹 | mending heart | заживающее сердце
❤️ | red heart | алое сердце
🩷 | pink heart | розовое сердце
🧡 | orange heart | оранжевое сердце
💛 | yellow heart | желтое сердце
💚 | green heart | зеленое сердце
💙 | blue heart | синее сердце
🩵 | light blue heart | голубое сердце
💜 | purple heart | фиолетовое сердце
🤎 | brown heart | коричневое сердце
🖤 | black heart | черное сердце
🩶 | grey heart | серое сердце
🤍 | white heart | белое сердце
💋 | kiss mark | след от поцелуя
💯 | hundred points | сто баллов
💢 | anger symbol | значок «гнев»
💥 | collision | взрыв
💫 | dizzy | кружащаяся звезда
💦 | sweat droplets | капли пота
💨 | dashing away | исчезновение
🕳️ | hole | дыра
💬 | speech balloon | облачко с многоточием
👁️‍🗨️ | eye in speech bubble | значок свидетеля
🗨️ | left speech bubble | пустое облачко
🗯️ | right anger bubble | гневное облачко
💭 | thought balloon | облачко с мыслями
💤 | zzz | сон
`,
  people: `
👋 | waving hand | машет рукой
🤚 | raised back of hand | поднятая рука
🖐️ | hand with fingers splayed | раскрытая ладонь
✋ | raised hand | поднятая ладонь
🖖 | vulcan salute | вулканский салют
🫱 | rightwards hand | рука вправо
🫲 | leftwards hand | рука влево
🫳 | palm down hand | рука ладонью вниз
🫴 | palm up hand | рука ладонью вверх
🫷 | leftwards pushing hand | рука ладонью влево
🫸 | rightwards pushing hand | рука ладонью вправо
👌 | ok hand | жест «все хорошо»
🤌 | pinched fingers | щепоть
🤏 | pinching hand | жест «мало»
✌️ | victory hand | жест v
🤞 | crossed fingers | скрещенные пальцы
🫰 | hand with index finger and thumb crossed | жест «деньги»
🤟 | love-you gesture | я-тебя-люблю
🤘 | sign of the horns | рокерский жест
🤙 | call me hand | жест «позвони мне»
👈 | backhand index pointing left | указывающий налево палец
👉 | backhand index pointing right | указывающий направо палец
👆 | backhand index pointing up | указывающий вверх палец
🖕 | middle finger | средний палец
👇 | backhand index pointing down | указывающий вниз палец
☝️ | index pointing up | указательный палец вверх
🫵 | index pointing at the viewer | указательный палец на себя
👍 | thumbs up | большой палец вверх
👎 | thumbs down | большой палец вниз
✊ | raised fist | поднятый кулак
🤛 | left-facing fist | кулак влево
🤜 | right-facing fist | кулак вправо
👏 | clapping hands | аплодисменты
🙌 | raising hands | ура
🫶 | heart hands | жест «сердце»
👐 | open hands | ладони в стороны
🤲 | palms up together | ладони лодочкой
🤝 | handshake | рукопожатие
🙏 | folded hands | сложенные руки
✍️ | writing hand | пишущая рука
💅 | nail polish | маникюр
🤳 | selfie | селфи
💪 | flexed biceps | бицепс
🦾 | mechanical arm | механическая рука
🦿 | mechanical leg | механическая нога
🦵 | leg | нога
🦶 | foot | щиколотка
👂 | ear | ухо
🦻 | ear with hearing aid | ухо со слуховым аппаратом
👃 | nose | нос
🧠 | brain | мозг
🫀 | anatomical heart | сердце человека
🫁 | lungs | легкие
🦷 | tooth | зуб
🦴 | bone | кость
👀 | eyes | глаза
👁️ | eye | глаз
👅 | tongue | язык
👄 | mouth | рот
🫦 | biting lip | кусать губы
👶 | baby | младенец
🧒 | child | ребенок
👦 | boy | мальчик
👧 | girl | девочка
🧑 | person | взрослый
🧓 | older person | пожилой человек
👴 | old man | пожилой мужчина
👵 | old woman | пожилая женщина
🙍 | person frowning | нахмурившийся человек
🙎 | person pouting | обиженный человек
🙅 | person gesturing no | человек против
🙆 | person gesturing ok | человек за
💁 | person tipping hand | человек тянет руку
🙋 | person raising hand | человек с поднятой рукой
🧏 | deaf person | глухой человек
🧏‍♂️ | deaf man | глухой мужчина
🧏‍♀️ | deaf woman | глухая женщина
🙇 | person bowing | человек кланяется
🤦 | person facepalming | человек потерял дар речи
🤷 | person shrugging | человек пожимает плечами
🧑‍⚕️ | health worker | медицинский работник
🧑‍🎓 | student | учащийся
🧑‍🏫 | teacher | педагог
🧑‍🌾 | farmer | фермер
🧑‍🍳 | cook | повар
🧑‍🔬 | scientist | ученый
🧑‍💻 | technologist | инженер
🧑‍🎤 | singer | певец
🧑‍🎨 | artist | художник
🧑‍✈️ | pilot | пилот
🧑‍🚀 | astronaut | космонавт
🧑‍🚒 | firefighter | пожарный
👮 | police officer | полицейский
🕵️ | detective | детектив
👷 | construction worker | строитель
🤴 | prince | принц
👸 | princess | принцесса
🤰 | pregnant woman | беременная женщина
🫃 | pregnant man | беременный мужчина
🫄 | pregnant person | беременный человек
🧑‍🍼 | person feeding baby | кормящий человек
👼 | baby angel | ангелочек
🎅 | santa claus | санта-клаус
🤶 | mrs. claus | миссис клаус
🧑‍🎄 | mx claus | санта
🦸 | superhero | супергерой
🧙 | mage | маг
🧚 | fairy | фея
🧛 | vampire | вампир
🧜‍♂️ | merman | тритон
🧜‍♀️ | mermaid | женщина-русалка
🧝 | elf | эльф
🧟 | zombie | зомби
🚶 | person walking | человек идет
🧍 | person standing | человек стоит
🏃 | person running | человек бежит
💃 | woman dancing | танцующая женщина
🕺 | man dancing | танцующий мужчина
👯 | people with bunny ears | люди с ушами кролика
🧖 | person in steamy room | человек в бане
🧗 | person climbing | человек взбирается по скале
🏊 | person swimming | плавание
🚴 | person biking | велосипедист
🚵 | person mountain biking | человек на горном велосипеде
🤸 | person cartwheeling | акробатический трюк
🤹 | person juggling | жонглер
🧑‍🤝‍🧑 | people holding hands | люди держащиеся за руки
💏 | kiss | поцелуй
💑 | couple with heart | влюбленная пара
🗣️ | speaking head | говорящая голова
👤 | bust in silhouette | силуэт человека
👥 | busts in silhouette | два силуэта
🫂 | people hugging | обнимающиеся люди
👣 | footprints | следы
`,
  nature: `
🐵 | monkey face | морда обезьяны
🐒 | monkey | обезьяна
🦍 | gorilla | горилла
🦧 | orangutan | орангутан
🐶 | dog face | морда собаки
🐕 | dog | собака
🦮 | guide dog | собака-поводырь
🐕‍🦺 | service dog | служебная собака
🐩 | poodle | пудель
🐺 | wolf | морда волка
🦊 | fox | морда лисицы
🦝 | raccoon | морда енота
🐱 | cat face | морда кошки
🐈 | cat | кошка
🐈‍⬛ | black cat | черная кошка
🦁 | lion | морда льва
🐯 | tiger face | морда тигра
🐅 | tiger | тигр
🐆 | leopard | леопард
🐴 | horse face | морда лошади
🫎 | moose | лось
🫏 | donkey | осел
🐎 | horse | лошадь
🦄 | unicorn | голова единорога
🦓 | zebra | зебра
🦌 | deer | олень
🦬 | bison | бизон
🐮 | cow face | морда коровы
🐂 | ox | бык
🐃 | water buffalo | буйвол
🐄 | cow | корова
🐷 | pig face | морда свиньи
🐖 | pig | свинья
🐗 | boar | кабан
🐽 | pig nose | свиной пятачок
🐏 | ram | баран
🐑 | ewe | овца
🐐 | goat | коза
🐪 | camel | одногорбый верблюд
🐫 | two-hump camel | двугорбый верблюд
🦙 | llama | лама
🦒 | giraffe | жираф
🐘 | elephant | слон
🦣 | mammoth | мамонт
🦏 | rhinoceros | носорог
🦛 | hippopotamus | гиппопотам
🐭 | mouse face | морда мыши
🐁 | mouse | мышь
🐀 | rat | крыса
🐹 | hamster | морда хомяка
🐰 | rabbit face | морда кролика
🐇 | rabbit | кролик
🐿️ | chipmunk | бурундук
🦫 | beaver | бобр
🦔 | hedgehog | еж
🦇 | bat | летучая мышь
🐻 | bear | морда медведя
🐻‍❄️ | polar bear | морда белого медведя
🐨 | koala | морда коалы
🐼 | panda | морда панды
🦥 | sloth | ленивец
🦦 | otter | выдра
🦨 | skunk | скунс
🦘 | kangaroo | кенгуру
🦡 | badger | барсук
🐾 | paw prints | следы животного
🦃 | turkey | индейка
🐔 | chicken | курица
🐓 | rooster | петух
🐣 | hatching chick | цыпленок в яйце
🐤 | baby chick | цыпленок боком
🐥 | front-facing baby chick | цыпленок
🐦 | bird | птица
🐧 | penguin | пингвин
🕊️ | dove | голубь
🦅 | eagle | орел
🦆 | duck | утка
🦢 | swan | лебедь
🦉 | owl | сова
🦤 | dodo | дронт
🪶 | feather | перо
🦩 | flamingo | фламинго
🦚 | peacock | павлин
🦜 | parrot | попугай
🪽 | wing | крыло
🐦‍⬛ | black bird | черная птица
🪿 | goose | гусь
🐸 | frog | голова лягушки
🐊 | crocodile | крокодил
🐢 | turtle | черепаха
🦎 | lizard | ящерица
🐍 | snake | змея
🐲 | dragon face | голова дракона
🐉 | dragon | дракон
🦕 | sauropod | зауропод
🦖 | t-rex | ти-рекс
🐳 | spouting whale | кит с фонтанчиком
🐋 | whale | кит
🐬 | dolphin | дельфин
🦭 | seal | тюлень
🐟 | fish | рыба
🐠 | tropical fish | тропическая рыба
🐡 | blowfish | рыба-еж
🦈 | shark | акула
🐙 | octopus | осьминог
🪸 | coral | коралл
🪼 | jellyfish | медуза
🦀 | crab | краб
🦞 | lobster | омар
🦐 | shrimp | креветка
🦑 | squid | кальмар
🦪 | oyster | устрица
🐌 | snail | улитка
🦋 | butterfly | бабочка
🐛 | bug | гусеница
🐜 | ant | муравей
🐝 | honeybee | пчела
🪲 | beetle | жук
🐞 | lady beetle | божья коровка
🦗 | cricket | сверчок
🪳 | cockroach | таракан
🕷️ | spider | паук
🕸️ | spider web | паутина
🦂 | scorpion | скорпион
🦟 | mosquito | комар
🪰 | fly | муха
🪱 | worm | червяк
🦠 | microbe | микроб
💐 | bouquet | букет
🌸 | cherry blossom | цветок вишни
💮 | white flower | белый цветок
🪷 | lotus | лотос
🌹 | rose | роза
🥀 | wilted flower | увядший цветок
🌺 | hibiscus | гибискус
🌻 | sunflower | подсолнух
🌼 | blossom | цветок
🌷 | tulip | тюльпан
🌱 | seedling | росток
🪴 | potted plant | растение в горшке
🌲 | evergreen tree | елка
🌳 | deciduous tree | дерево
🌴 | palm tree | пальма
🌵 | cactus | кактус
🌾 | sheaf of rice | колос
🌿 | herb | веточка
🍀 | four leaf clover | четырехлистный клевер
🍁 | maple leaf | кленовый лист
🍂 | fallen leaf | падающие листья
🍃 | leaf fluttering in wind | листья на ветру
🪹 | empty nest | пустое гнездо
🪺 | nest with eggs | гнездо с яйцами
🍄 | mushroom | гриб
`,
  food: `
🍇 | grapes | виноград
🍈 | melon | дыня
🍉 | watermelon | арбуз
🍊 | tangerine | мандарин
🍋 | lemon | лимон
🍌 | banana | банан
🍍 | pineapple | ананас
🥭 | mango | манго
🍎 | red apple | красное яблоко
🍏 | green apple | зеленое яблоко
🍐 | pear | груша
🍑 | peach | персик
🍒 | cherries | вишня
🍓 | strawberry | клубника
🫐 | blueberries | голубика
🥝 | kiwi fruit | киви
🍅 | tomato | помидор
🫒 | olive | оливка
🥥 | coconut | кокос
🥑 | avocado | авокадо
🍆 | eggplant | баклажан
🥔 | potato | картофель
🥕 | carrot | морковь
🌽 | ear of corn | кукурузный початок
🌶️ | hot pepper | острый перец
🫑 | bell pepper | болгарский перец
🥒 | cucumber | огурец
🥬 | leafy green | зеленый салат
🥦 | broccoli | брокколи
🧄 | garlic | чеснок
🧅 | onion | лук
🥜 | peanuts | арахис
🫘 | beans | фасоль
🌰 | chestnut | каштан
🫚 | ginger root | корень имбиря
🫛 | pea pod | стручок гороха
🍞 | bread | хлеб
🥐 | croissant | круассан
🥖 | baguette bread | багет
🫓 | flatbread | лепешка
🥨 | pretzel | крендель
🥯 | bagel | бублик
🥞 | pancakes | блины
🧇 | waffle | вафля
🧀 | cheese wedge | сыр
🍖 | meat on bone | мясо на косточке
🍗 | poultry leg | куриная ножка
🥩 | cut of meat | кусок мяса
🥓 | bacon | бекон
🍔 | hamburger | гамбургер
🍟 | french fries | картофель фри
🍕 | pizza | пицца
🌭 | hot dog | хот-дог
🥪 | sandwich | сэндвич
🌮 | taco | тако
🌯 | burrito | буррито
🫔 | tamale | тамале
🥙 | stuffed flatbread | шаурма
🧆 | falafel | фалафель
🥚 | egg | яйцо
🍳 | cooking | яичница на сковороде
🥘 | shallow pan of food | рагу в сковороде
🍲 | pot of food | кастрюля с горячей едой
🫕 | fondue | фондю
🥣 | bowl with spoon | миска с ложкой
🥗 | green salad | овощной салат
🍿 | popcorn | попкорн
🧈 | butter | масло
🧂 | salt | солонка
🥫 | canned food | консервы
🍱 | bento box | бэнто
🍙 | rice ball | онигири
🍚 | cooked rice | рис
🍛 | curry rice | рис с карри
🍜 | steaming bowl | лапша
🍝 | spaghetti | спагетти
🍠 | roasted sweet potato | печеный сладкий картофель
🍣 | sushi | суши
🍤 | fried shrimp | жареная креветка
🍥 | fish cake with swirl | камабоко
🥮 | moon cake | лунный пирог
🥟 | dumpling | вареник
🥠 | fortune cookie | печенье с предсказанием
🥡 | takeout box | коробка для еды на вынос
🍦 | soft ice cream | мороженое в стаканчике
🍧 | shaved ice | мороженое в креманке
🍨 | ice cream | мороженое
🍩 | doughnut | пончик
🍪 | cookie | печенье
🎂 | birthday cake | торт ко дню рождения
🍰 | shortcake | кусочек торта
🧁 | cupcake | капкейк
🥧 | pie | пирог
🍫 | chocolate bar | шоколад
🍬 | candy | конфета
🍭 | lollipop | леденец
🍮 | custard | пудинг
🍯 | honey pot | мед
🍼 | baby bottle | бутылочка с соской
🥛 | glass of milk | стакан молока
☕ | hot beverage | горячий напиток
🫖 | teapot | чайник
🍵 | teacup without handle | чашка без ручки
🍶 | sake | бутылка саке
🍾 | bottle with popping cork | шампанское
🍷 | wine glass | бокал вина
🍸 | cocktail glass | коктейль
🍹 | tropical drink | тропический коктейль
🍺 | beer mug | кружка пива
🍻 | clinking beer mugs | чокающиеся кружки
🥂 | clinking glasses | чокающиеся бокалы
🥃 | tumbler glass | стакан с виски
🫗 | pouring liquid | стакан с жидкостью
🥤 | cup with straw | стакан с соломинкой
🧋 | bubble tea | чай с шариками
🧃 | beverage box | пакетик сока
🧉 | mate | мате
🧊 | ice | кубик льда
🥢 | chopsticks | палочки для еды
🍽️ | fork and knife with plate | тарелка с приборами
🍴 | fork and knife | вилка и нож
🥄 | spoon | ложка
🔪 | kitchen knife | нож
🫙 | jar | банка
`,
  travel: `
🌍 | globe showing europe-africa | европа и африка на земном шаре
🌎 | globe showing americas | америка на земном шаре
🌏 | globe showing asia-australia | азия и австралия на земном шаре
🗺️ | world map | карта мира
🧭 | compass | компас
🏔️ | snow-capped mountain | гора со снежной шапкой
⛰️ | mountain | гора
🌋 | volcano | вулкан
🗻 | mount fuji | фудзияма
🏕️ | camping | кемпинг
🏖️ | beach with umbrella | пляж
🏜️ | desert | пустыня
🏝️ | desert island | остров
🏞️ | national park | национальный парк
🏟️ | stadium | стадион
🏗️ | building construction | стройка
🏘️ | houses | дома
🏠 | house | дом
🏡 | house with garden | дом с садом
🏢 | office building | офисное здание
🏥 | hospital | больница
🏦 | bank | банк
🏨 | hotel | гостиница
🏫 | school | школа
🏭 | factory | завод
🏰 | castle | замок
💒 | wedding | свадьба
🗼 | tokyo tower | токийская башня
🗽 | statue of liberty | статуя свободы
⛪ | church | церковь
🕌 | mosque | мечеть
🛕 | hindu temple | индуистский храм
🕍 | synagogue | синагога
⛲ | fountain | фонтан
⛺ | tent | палатка
🌃 | night with stars | звездная ночь
🏙️ | cityscape | вид на город
🌄 | sunrise over mountains | восход солнца над горами
🌅 | sunrise | восход
🌆 | cityscape at dusk | закат в городе
🌇 | sunset | закат
🌉 | bridge at night | мост ночью
♨️ | hot springs | горячие источники
🎠 | carousel horse | лошадь на карусели
🛝 | playground slide | детская горка
🎢 | roller coaster | американские горки
🚂 | locomotive | паровоз
🚄 | high-speed train | скоростной поезд
🚆 | train | поезд
🚇 | metro | метро
🚊 | tram | трамвай
🚌 | bus | автобус
🚑 | ambulance | машина скорой помощи
🚒 | fire engine | пожарная машина
🚓 | police car | полицейская машина
🚕 | taxi | такси
🚗 | automobile | автомобиль
🚜 | tractor | трактор
🏎️ | racing car | гоночный автомобиль
🏍️ | motorcycle | мотоцикл
🛵 | motor scooter | скутер
🚲 | bicycle | велосипед
🛴 | kick scooter | самокат
🛹 | skateboard | скейтборд
🛼 | roller skate | роликовые коньки
🚏 | bus stop | автобусная остановка
⛽ | fuel pump | заправка
🚨 | police car light | мигалка
🛑 | stop sign | знак «стоп»
🚧 | construction | строительные работы
⚓ | anchor | якорь
⛵ | sailboat | парусник
🚤 | speedboat | катер
🛳️ | passenger ship | пассажирский лайнер
🚢 | ship | корабль
✈️ | airplane | самолет
🚁 | helicopter | вертолет
🚠 | mountain cableway | вагон фуникулера
🚀 | rocket | ракета
🛸 | flying saucer | летающая тарелка
🧳 | luggage | багаж
⌛ | hourglass done | песочные часы
⏳ | hourglass not done | время пошло
⌚ | watch | наручные часы
⏰ | alarm clock | будильник
⏱️ | stopwatch | секундомер
🌑 | new moon | новолуние
🌕 | full moon | полнолуние
🌡️ | thermometer | термометр
☀️ | sun | солнце
🌞 | sun with face | солнце с лицом
🪐 | ringed planet | планета с кольцом
⭐ | star | желтая звезда
🌟 | glowing star | сияющая звезда
🌠 | shooting star | падающая звезда
🌌 | milky way | млечный путь
☁️ | cloud | облако
⛈️ | cloud with lightning and rain | гроза
🌧️ | cloud with rain | дождь
🌨️ | cloud with snow | снег
🌩️ | cloud with lightning | молния
🌪️ | tornado | торнадо
🌫️ | fog | густой туман
🌬️ | wind face | дует ветер
🌀 | cyclone | циклон
🌈 | rainbow | радуга
☂️ | umbrella | зонт
⚡ | high voltage | высокое напряжение
❄️ | snowflake | снежинка
☃️ | snowman | снеговик под снегом
⛄ | snowman without snow | снеговик
☄️ | comet | комета
🔥 | fire | огонь
💧 | droplet | капля
🌊 | water wave | волна
`,
  activities: `
🎃 | jack-o-lantern | тыква-фонарь
🎄 | christmas tree | новогодняя елка
🎆 | fireworks | фейерверк
🎇 | sparkler | бенгальский огонь
🧨 | firecracker | динамитная шашка
✨ | sparkles | блестки
🎈 | balloon | воздушный шарик
🎉 | party popper | хлопушка
🎊 | confetti ball | конфетти
🎋 | tanabata tree | бамбук с бумажными лентами
🧧 | red envelope | красный конверт
🎀 | ribbon | бантик
🎁 | wrapped gift | подарок
🎗️ | reminder ribbon | памятная лента
🎟️ | admission tickets | билеты
🎫 | ticket | билет
🎖️ | military medal | военная медаль
🏆 | trophy | кубок
🏅 | sports medal | спортивная медаль
🥇 | 1st place medal | золотая медаль
🥈 | 2nd place medal | серебряная медаль
🥉 | 3rd place medal | бронзовая медаль
⚽ | soccer ball | футбол
⚾ | baseball | бейсбол
🥎 | softball | софтбол
🏀 | basketball | баскетбол
🏐 | volleyball | волейбол
🏈 | american football | американский футбол
🏉 | rugby football | регби
🎾 | tennis | теннис
🥏 | flying disc | летающий диск
🎳 | bowling | боулинг
🏏 | cricket game | крикет
🏑 | field hockey | хоккей на траве
🏒 | ice hockey | хоккей
🥍 | lacrosse | лакросс
🏓 | ping pong | настольный теннис
🏸 | badminton | бадминтон
🥊 | boxing glove | боксерская перчатка
🥋 | martial arts uniform | спортивное кимоно
🥅 | goal net | спортивные ворота
⛳ | flag in hole | гольф
⛸️ | ice skate | коньки
🎣 | fishing pole | удочка с рыбой
🤿 | diving mask | маска с трубкой
🎽 | running shirt | футболка для бега
🎿 | skis | лыжи
🛷 | sled | санки
🥌 | curling stone | керлинг
🎯 | bullseye | мишень
🪀 | yo-yo | йо-йо
🪁 | kite | воздушный змей
🔫 | water pistol | водяной пистолет
🎱 | pool 8 ball | бильярд
🔮 | crystal ball | хрустальный шар
🪄 | magic wand | волшебная палочка
🎮 | video game | видеоигры
🕹️ | joystick | джойстик
🎰 | slot machine | игровой автомат
🎲 | game die | игральная кость
🧩 | puzzle piece | пазл
🧸 | teddy bear | плюшевый мишка
🪅 | piñata | пиньята
🪩 | mirror ball | диско-шар
🪆 | nesting dolls | матрешка
♠️ | spade suit | пики
♥️ | heart suit | червы
♣️ | club suit | трефы
♟️ | chess pawn | пешка
🃏 | joker | джокер
🀄 | mahjong red dragon | маджонг
🎴 | flower playing cards | цветочная карта
🎭 | performing arts | маски
🖼️ | framed picture | картина
🎨 | artist palette | палитра с красками
🧵 | thread | катушка ниток
🪡 | sewing needle | швейная игла
🧶 | yarn | клубок
🪢 | knot | узел
`,
  objects: `
👓 | glasses | очки
🕶️ | sunglasses | солнечные очки
🥽 | goggles | защитные очки
🥼 | lab coat | лабораторный халат
🦺 | safety vest | спасательный жилет
👔 | necktie | галстук
👕 | t-shirt | футболка
👖 | jeans | джинсы
🧣 | scarf | шарф
🧤 | gloves | перчатки
🧥 | coat | пальто
🧦 | socks | носки
👗 | dress | платье
🩳 | shorts | шорты
👙 | bikini | бикини
🪭 | folding hand fan | веер
👛 | purse | кошелек
👜 | handbag | сумка
👝 | clutch bag | клатч
🛍️ | shopping bags | пакеты
🎒 | backpack | ранец
👟 | running shoe | кроссовки
🥾 | hiking boot | треккинговый ботинок
👠 | high-heeled shoe | туфли на каблуке
👑 | crown | корона
🎩 | top hat | цилиндр
🎓 | graduation cap | шапочка выпускника
🧢 | billed cap | бейсболка
📿 | prayer beads | четки
💄 | lipstick | помада
💍 | ring | кольцо
💎 | gem stone | драгоценный камень
🔇 | muted speaker | без звука
🔈 | speaker low volume | низкая громкость
🔉 | speaker medium volume | средняя громкость
🔊 | speaker high volume | высокая громкость
📢 | loudspeaker | громкоговоритель
📣 | megaphone | мегафон
📯 | postal horn | почтовый рожок
🔔 | bell | колокольчик
🔕 | bell with slash | перечеркнутый колокольчик
🎼 | musical score | нотный стан
🎵 | musical note | нота
🎶 | musical notes | ноты
🎙️ | studio microphone | студийный микрофон
🎚️ | level slider | слайдер
🎛️ | control knobs | регуляторы
🎤 | microphone | микрофон
🎧 | headphone | наушники
📻 | radio | радио
🎷 | saxophone | саксофон
🎺 | trumpet | труба
🪗 | accordion | аккордеон
🎸 | guitar | гитара
🎹 | musical keyboard | клавишные
🎻 | violin | скрипка
🪕 | banjo | банджо
🥁 | drum | барабан
🪘 | long drum | конга
🪇 | maracas | маракасы
🪈 | flute | флейта
📱 | mobile phone | мобильный телефон
☎️ | telephone | телефон
📞 | telephone receiver | телефонная трубка
🔋 | battery | батарейка
🪫 | low battery | низкий уровень заряда
🔌 | electric plug | вилка
💻 | laptop | ноутбук
🖥️ | desktop computer | компьютер
🖨️ | printer | принтер
⌨️ | keyboard | клавиатура
🖱️ | computer mouse | мышка
💾 | floppy disk | дискета
💿 | optical disk | cd
📀 | dvd | dvd
🧮 | abacus | счеты
🎥 | movie camera | кинокамера
📽️ | film projector | кинопроектор
🎬 | clapper board | хлопушка-нумератор
📺 | television | телевизор
📷 | camera | фотоаппарат
📸 | camera with flash | фотоаппарат со вспышкой
📹 | video camera | видеокамера
🔍 | magnifying glass tilted left | лупа наклоненная влево
🔎 | magnifying glass tilted right | лупа наклоненная вправо
🕯️ | candle | свеча
💡 | light bulb | лампочка
🔦 | flashlight | фонарик
🏮 | red paper lantern | красный бумажный фонарик
🪔 | diya lamp | масляная лампа
📔 | notebook with decorative cover | записная книжка
📕 | closed book | закрытая книга
📖 | open book | открытая книга
📗 | green book | зеленая книга
📘 | blue book | синяя книга
📙 | orange book | оранжевая книга
📚 | books | книги
📓 | notebook | тетрадь
📃 | page with curl | страница с загибом
📄 | page facing up | страница
🔖 | bookmark | закладка
🪙 | coin | монета
💰 | money bag | мешок денег
💵 | dollar banknote | банкнота доллара
💶 | euro banknote | банкнота евро
💸 | money with wings | банкнота с крылышками
💳 | credit card | кредитная карта
🧾 | receipt | чек
✉️ | envelope | конверт
📧 | e-mail | электронная почта
📨 | incoming envelope | входящее письмо
📦 | package | посылка
📮 | postbox | почтовый ящик
🗳️ | ballot box with ballot | избирательная урна
✏️ | pencil | карандаш
✒️ | black nib | перьевой наконечник
🖋️ | fountain pen | перьевая ручка
🖊️ | pen | шариковая ручка
🖌️ | paintbrush | кисточка
🖍️ | crayon | восковой мелок
📝 | memo | заметка
💼 | briefcase | портфель
📅 | calendar | календарь
📆 | tear-off calendar | отрывной календарь
📈 | chart increasing | диаграмма роста
📉 | chart decreasing | диаграмма падения
📊 | bar chart | гистограмма
📌 | pushpin | канцелярская кнопка
📍 | round pushpin | канцелярская кнопка с шариком
📎 | paperclip | скрепка
🖇️ | linked paperclips | скрепки
📏 | straight ruler | линейка
📐 | triangular ruler | линейка-треугольник
✂️ | scissors | ножницы
🗑️ | wastebasket | корзина для мусора
🔒 | locked | закрытый замок
🔓 | unlocked | открытый замок
🔏 | locked with pen | закрытый замок с перьевой ручкой
🔐 | locked with key | закрытый замок с ключом
🔑 | key | ключ
🗝️ | old key | старинный ключ
🔨 | hammer | молоток
🪓 | axe | топор
⛏️ | pick | кирка
⚒️ | hammer and pick | кирка и молот
🛠️ | hammer and wrench | молот и гаечный ключ
🗡️ | dagger | кинжал
⚔️ | crossed swords | скрещенные мечи
💣 | bomb | бомба
🪃 | boomerang | бумеранг
🛡️ | shield | щит
🪚 | carpentry saw | пила по дереву
🔧 | wrench | гаечный ключ
🪛 | screwdriver | отвертка
🔩 | nut and bolt | болт и гайка
⚙️ | gear | шестеренка
⚖️ | balance scale | весы
🦯 | white cane | белая трость
🔗 | link | гиперссылка
⛓️ | chains | цепь
🪝 | hook | крюк
🧰 | toolbox | ящик для инструментов
🧲 | magnet | магнит
🪜 | ladder | лестница
🧪 | test tube | пробирка
🧫 | petri dish | чашка петри
🧬 | dna | днк
🔬 | microscope | микроскоп
🔭 | telescope | телескоп
💉 | syringe | шприц
🩸 | drop of blood | капля крови
💊 | pill | пилюля
🩹 | adhesive bandage | пластырь
🩼 | crutch | костыль
🩺 | stethoscope | стетоскоп
🩻 | x-ray | рентген
🚪 | door | дверь
🛗 | elevator | лифт
🛏️ | bed | кровать
🛋️ | couch and lamp | диван и торшер
🚽 | toilet | унитаз
🪠 | plunger | вантуз
🚿 | shower | душ
🛁 | bathtub | ванна
🧴 | lotion bottle | бутылка лосьона
🧷 | safety pin | английская булавка
🧹 | broom | метла
🧺 | basket | корзина
🧻 | roll of paper | рулон бумаги
🪣 | bucket | ведро
🧼 | soap | мыло
🫧 | bubbles | пузыри
🧽 | sponge | губка
🧯 | fire extinguisher | огнетушитель
🛒 | shopping cart | тележка для покупок
🚬 | cigarette | сигарета
⚰️ | coffin | гроб
⚱️ | funeral urn | урна с прахом
🧿 | nazar amulet | назар бонджук
`,
  symbols: `
🏧 | atm sign | значок банкомата
🚮 | litter in bin sign | бросайте мусор в урну
🚻 | restroom | уборная
🚼 | baby symbol | пеленальная
🚾 | water closet | туалет
🛂 | passport control | паспортный контроль
🛃 | customs | таможня
🛄 | baggage claim | получение багажа
🛅 | left luggage | забытый багаж
⚠️ | warning | значок предупреждения
🚸 | children crossing | знак «дети»
⛔ | no entry | въезд запрещен
🚫 | prohibited | запрещено
🔞 | no one under eighteen | для людей старше восемнадцати лет
☢️ | radioactive | радиация
☣️ | biohazard | биологическая угроза
🔃 | clockwise vertical arrows | по часовой стрелке
🛐 | place of worship | религия
⚛️ | atom symbol | символ атома
🕉️ | om | ом
✡️ | star of david | звезда давида
☸️ | wheel of dharma | колесо дхармы
☯️ | yin yang | инь-ян
✝️ | latin cross | латинский крест
☦️ | orthodox cross | православный крест
☪️ | star and crescent | звезда и полумесяц
☮️ | peace symbol | пацифик
🕎 | menorah | менора
🔯 | dotted six-pointed star | шестиконечная звезда
🪯 | khanda | кханда
🎦 | cinema | видеозапись
📶 | antenna bars | сигнал сети
🛜 | wireless | беспроводная сеть
📳 | vibration mode | режим вибрации
📴 | mobile phone off | выключенный телефон
♀️ | female sign | женский символ
♂️ | male sign | мужской символ
⚧️ | transgender symbol | трансгендер
✖️ | multiply | знак умножения
➕ | plus | знак сложения
➖ | minus | знак вычитания
➗ | divide | знак деления
🟰 | heavy equals sign | жирный знак равенства
♾️ | infinity | бесконечность
‼️ | double exclamation mark | два восклицательных знака
⁉️ | exclamation question mark | восклицательный и вопросительный знаки
❓ | red question mark | красный вопросительный знак
❔ | white question mark | белый вопросительный знак
❕ | white exclamation mark | белый восклицательный знак
❗ | red exclamation mark | красный восклицательный знак
〰️ | wavy dash | волнистая линия
💱 | currency exchange | обмен валюты
💲 | heavy dollar sign | жирный знак доллара
⚕️ | medical symbol | медицинский символ
♻️ | recycling symbol | утилизация
⚜️ | fleur-de-lis | геральдическая лилия
🔱 | trident emblem | трезубец
📛 | name badge | бейдж
✅ | check mark button | белая галочка
☑️ | check box with check | галочка в квадрате
✔️ | check mark | галочка
❌ | cross mark | крестик
➰ | curly loop | петля
➿ | double curly loop | двойная петля
〽️ | part alternation mark | вступает другой голос
✳️ | eight-spoked asterisk | восьмиконечная звездочка
✴️ | eight-pointed star | восьмиконечная звезда
❇️ | sparkle | искра
©️ | copyright | значок защиты авторского права
®️ | registered | зарегистрированный товарный знак
™️ | trade mark | товарный знак
🔠 | input latin uppercase | ввод прописными
🔡 | input latin lowercase | ввод строчными
🔢 | input numbers | ввод цифр
🔣 | input symbols | ввод символов
🔤 | input latin letters | ввод латиницей
🅰️ | a button (blood type) | ii группа крови
🆎 | ab button (blood type) | iv группа крови
🅱️ | b button (blood type) | iii группа крови
🆒 | cool button | значок «круто»
🆓 | free button | значок «бесплатно»
ℹ️ | information | значок информации
Ⓜ️ | circled m | буква «м» в кружке
🆕 | new button | значок «новинка»
🅾️ | o button (blood type) | i группа крови
🆗 | ok button | значок «ок»
🆘 | sos button | значок sos
`,
};

/** The regions with a flag. The browser knows their names. */
export const FLAGS = 'AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW';
