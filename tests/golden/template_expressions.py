"""Small expressions for the template goldens, each rendered as {{ expression }} with the context below."""

CONTEXT = {
    "name": "Ada", "empty": "", "text": "  Hello, World  ", "uni": "Größe ΑΣ ﬁn 🦊é", "lines": "one\ntwo\r\n\nthree\n",
    "n": 7, "big": 9007199254740993, "neg": -3, "f": 2.5, "zero": 0, "yes": True, "no": False, "nil": None,
    "list": [3, 1, 2], "words": ["pear", "Apple", "fig", "apple"], "nested": [[1, 2], [3, [4]]], "none_list": [None, 0, "", []],
    "user": {"name": "Ada", "age": 36, "tags": ["x", "y"], "items": "hidden"}, "void": {},
    "people": [{"name": "Bo", "age": 20, "city": {"zip": "b"}}, {"name": "al", "age": 30, "city": {"zip": "A"}},
               {"name": "Cy", "age": 20, "city": {"zip": "c"}}],
    "mixed": {"b": 1, "A": 2, "c": None, "ä": [1.0, 1e100, True]}, "html": "<a href=\"x\">'&'</a>", "huge": 123456789012345678901234567890,
}

EXPRESSIONS = """
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 % 2
-7.5 // 2
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
2 ** 3 ** 2
1.0
1e3
1e16
1e15
123456789.123456789
1e-5
0.0001
1_000
0x1F + 0b11 + 0o17
1.5e300 * 1e10
1 / 3
100000000000000000000.0
0.1 + 0.2
5 / 0
5 // 0
5 % 0
5.0 / 0
5.0 % 0
5.0 // 0
n + f
yes + 1
neg * -1
-n
+n
- -n
-name
'a' + 1
1 + 'a'
'a' + none
[1] + (2,)
[1] + 'x'
(1,) + [2]
none + 1
'a' * 3
3 * 'ab'
'a' * -1
'a' * 'b'
[1, 2] * 2
(1,) * 2
'a' - 'b'
{} + {}
name ~ n ~ nil ~ yes ~ list ~ f
'a' 'b' "c"
'it\\'s' ~ "\\"q\\"" ~ '\\n\\t\\\\ \\x41 \\u00e9 \\U0001F98A \\101 \\q'
name == 'Ada'
name != 'Ada'
1 == 1.0
yes == 1
'1' == 1
nil == none
list == [3, 1, 2]
list == (3, 1, 2)
user == user
missing == missing2
missing == none
1 < 2 < 3
1 < 3 < 2
1 <= 1.0
'a' < 'b'
'Z' < 'a'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') < (1, 'b')
1 < 'a'
'a' >= 1
none < 1
[1] > ['a']
{} < {}
missing < 1
1 in list
4 not in list
'Hello' in text
'x' in user
'name' in user
1 in 'abc'
none in 'abc'
1 in 5
'a' in none
'a' in missing
missing in 'abc'
[] in none_list
[1] in user
not yes
not missing
not []
yes and 'x'
no or 'y'
'' or 0 or none
'a' and '' and 'b'
nil or missing
'a' if yes else 'b'
'a' if no else 'b'
'a' if no
('a' if no) is defined
('a' if no) + 'x'
1 if no else 2 if no else 3
name.upper()
name.missing
name.missing.more
missing.more
missing['x']
missing()
missing + 1
-missing
user.name
user['name']
user.items
user.items()
user['items']
void['items']()|list
user.keys()
user.values()|list
user.get('name')
user.get('no')
user.get('no', 5)
user.pop('name')
user.update({'a': 1})
list.append(4)
list.sort()
user.__class__
name.__class__.mro()
user['__class__']
user.tags.0
user.tags[1]
user.tags[-1]
user.tags[5]
user.tags['x']
user.tags.count('x')
list.index(2)
list.index(9)
(1, 2).index(2)
list[0]
list[-4]
list[yes]
list['0']
list[1.0]
name[0]
name[-1]
name[9]
uni[7]
nil.x
nil['x']
n.x
n[0]
5.5.is_integer()
(5).bit_length()
list[1:]
list[:-1]
list[::-1]
list[::2]
list[5:]
list[-2:9]
list[2:0:-1]
name[::-1]
uni[6:9]
uni[::-1]
uni[-2:]
text[2:-2:2]
(1, 2, 3)[1:]
range(10)[2:8:2]|list
range(5)
range(2, 9, 3)
range(5)|list
range(5, 0, -2)|list
range(3)[1]
range(3)[5]
range(10**6)
range(1, 2, 0)
range('a')
range()
list[::0]
n[1:]
user[1:]
list['a':]
[]
()
(1,)
{}
[1, 'a', none, true, 1.5, [2], {'k': (1,)}]
{'a': 1, 2: 'b', none: 3, (1, 2): 4, 'a': 5}
{[]: 1}
{'a': 1}.a
[1, 2,]
(1, 2,)
{'a': 1,}
"quote ' inside"
["quote ' inside", 'both \\' and "', '\\n\\x00\\x7f\\u200b\\ue000 ü 🦊']
dict(a=1, b=2)
dict([('x', 1), ('y', 2)])
dict({'a': 1}, b=3)
dict(1)
dict([1])
dict([(1, 2, 3)])
namespace(a=1).a
namespace({'a': 1}, b=2).b
namespace().x is defined
namespace(_x=1)
namespace(a=1)
cycler('a', 'b').next()
cycler()
joiner('; ')()
raise_exception('stop here')
raise_exception(5)
raise_exception()
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y, %A %B %H:%M:%S %j %%')
strftime_now('%-d/%-m %I%p')
strftime_now('plain ü')
none()
name()
list()
'a'.join(1)
','.join(['a', 1])
', '.join(words)
''.join(name)
'-'.join(user)
text.strip()
text.strip(' Hd')
text.lstrip()
text.rstrip()
'xxaxx'.strip('x')
'xxaxx'.lstrip('x')
'xxaxx'.rstrip('xa')
text.strip(1)
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 1)
'a,b,,c'.split(sep=',', maxsplit=2)
text.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
''.split()
''.split(',')
'abc'.split('')
'abc'.split(1)
lines.splitlines()
lines.splitlines(true)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('=')
'abc'.rpartition('=')
name.startswith('A')
name.startswith(('x', 'A'))
name.startswith('d', 1)
name.endswith('a')
name.endswith('')
name.startswith(1)
'banana'.replace('an', 'AN')
'banana'.replace('an', 'AN', 1)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'abc'.replace('b', 1)
'banana'.find('an')
'banana'.find('an', 2)
'banana'.rfind('an')
'banana'.find('x')
'banana'.index('x')
'banana'.count('a')
'banana'.count('')
'banana'.count('a', 2, -1)
uni.find('🦊')
uni.upper()
uni.lower()
uni.title()
uni.capitalize()
uni.swapcase()
uni.casefold()
'ΑΣ ΣΑ'.lower()
"they're bill's".title()
'ǆ ß'.title()
'İ'.lower()
name.center(9)
name.center(8, '*')
'ab'.center(5)
name.ljust(6, '.')
name.rjust(6)
name.rjust(6, 'ab')
'-42'.zfill(6)
'42'.zfill(1)
'a\\tb'.expandtabs(4)
'abc'.isalpha()
'a1'.isalnum()
'12'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
' \\n'.isspace()
''.isspace()
'Ab Cd'.istitle()
'AB'.isupper()
'ab1'.islower()
'é'.isascii()
'a\\n'.isprintable()
'a_1'.isidentifier()
'unhappy'.removeprefix('un')
'unhappy'.removesuffix('py')
'{} and {}'.format(1, 'b')
'{1} {0} {a}'.format(1, 2, a='x')
'{0.name} {0[age]} {1[0]}'.format(user, list)
'{:>8}|{:<8}|{:^8}|'.format('a', 'b', 'c')
'{:*^7}|{:+d}|{:05d}|{:x}|{:#b}|{:,}'.format('m', 5, 42, 255, 5, 1234567)
'{:.2f} {:8.3f} {:e} {:g} {:%} {}'.format(3.14159, 2.5, 12345.678, 0.00001234, 0.25, 1.0)
'{!r} {!s}'.format('q', 'q')
'{{}} {}'.format(1)
'{'.format(1)
'}'.format(1)
'{}'.format()
'{a}'.format()
'{:d}'.format('x')
'{:10.3}|'.format('abcdef')
'{:{}}|'.format('a', 5)
'{0.__class__}'.format(user)
'{a}-{b}'.format_map({'a': 1, 'b': 2})
'%s is %d years, %5.1f%%' % (name, 36.9, 99.55)
'%s' % name
'%s' % list
'%s %s' % (1,)
'%s' % (1, 2)
'%d' % 'x'
'%(a)s-%(b)03d' % {'a': 'x', 'b': 7}
'%-6s|%6s|%+d|% d|%x|%X|%o|%#x' % ('a', 'b', 5, 6, 255, 255, 8, 255)
'%r %c %c' % ('q', 'z', 65)
'%e %g %G' % (12345.678, 1e-10, 1e20)
'%.3s|%*d' % ('abcdef', 5, 42)
'%y' % 1
'abc' % 1
'%s' % missing
huge
big + 1
9223372036854775807
""".strip("\n").split("\n")
